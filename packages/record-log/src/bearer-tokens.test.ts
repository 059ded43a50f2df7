import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { BearerTokens } from './bearer-tokens.ts';
import { HiddenText } from './hidden-text.ts';

const SECRET = 'canary secret: 1+1';
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

async function endpoint(answer: RequestListener): Promise<URL> {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return new URL(`http://127.0.0.1:${port}/token`);
}

const client = (tokenEndpoint: URL) => ({
  tokenEndpoint,
  clientId: 'north',
  clientSecret: new HiddenText(SECRET),
  scope: 'kafka',
});
const says = (status: number, body: unknown): RequestListener => {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
};
const refusal = (tokens: BearerTokens) => tokens.next().catch((error: unknown) => error);

describe('BearerTokens', () => {
  it('asks once for many, and again when most of a life is over', async () => {
    const asked: string[] = [];
    const url = await endpoint(async (request, response) => {
      let body = '';
      for await (const piece of request) body += String(piece);
      asked.push(`${request.headers.authorization} ${body}`);
      says(200, { access_token: `t${asked.length}`, token_type: 'Bearer', expires_in: 100 })(
        request,
        response,
      );
    });
    const due: { ms: number; act: () => void }[] = [];
    const tokens = new BearerTokens(client(url), (ms, act) => due.push({ ms, act }));
    expect(await Promise.all([tokens.next(), tokens.next()])).toEqual(['t1', 't1']);
    expect(await tokens.next()).toBe('t1');
    expect(due.map(({ ms }) => ms)).toEqual([80_000]);
    due[0]?.act();
    expect(await tokens.next()).toBe('t2');
    // RFC 6749 section 2.3.1: both are encoded as a form first.
    const basic = Buffer.from('north:canary+secret%3A+1%2B1').toString('base64');
    expect(asked[0]).toBe(`Basic ${basic} scope=kafka&grant_type=client_credentials`);
    expect(asked).toHaveLength(2);
    expect(`${inspect(tokens, { depth: 9 })}${JSON.stringify(tokens)}`).not.toMatch(/canary|t2/);
  });

  it.each([undefined, 15])('keeps no token that ends soon or says no end: %s', async (seconds) => {
    let count = 0;
    const url = await endpoint((request, response) => {
      count += 1;
      says(200, { access_token: `t${count}`, token_type: 'bearer', expires_in: seconds })(
        request,
        response,
      );
    });
    const tokens = new BearerTokens(client(url));
    expect([await tokens.next(), await tokens.next()]).toEqual(['t1', 't2']);
  });

  it.each<[string, RequestListener, object]>([
    [
      'a refusal, by its word',
      says(401, { error: 'invalid_client', error_description: SECRET }),
      { code: 'ERR_LOG_REFUSED', facts: { reason: 'TOKEN_REFUSED', error: 'invalid_client' } },
    ],
    [
      'a word that is none',
      says(400, { error: SECRET }),
      { code: 'ERR_LOG_REFUSED', facts: { reason: 'TOKEN_REFUSED', error: 'another' } },
    ],
    ['no token', says(200, {}), { facts: { reason: 'TOKEN_MALFORMED' } }],
    [
      'a token of another type',
      says(200, { access_token: SECRET, token_type: 'dpop' }),
      { facts: { reason: 'TOKEN_MALFORMED' } },
    ],
    [
      'a way elsewhere',
      (_, response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      { facts: { reason: 'TOKEN_MALFORMED' } },
    ],
    [
      'no answer',
      (request) => request.socket.destroy(),
      { code: 'ERR_LOG_UNREACHABLE', facts: { reason: 'NO_TOKEN' } },
    ],
  ])('tells %s, and no secret', async (_, answer, told) => {
    const error = await refusal(new BearerTokens(client(await endpoint(answer))));
    expect(error).toMatchObject(told);
    expect(inspect(error)).not.toContain('canary');
  });
});
