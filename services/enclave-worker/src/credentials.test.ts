import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import type { Tracing } from '@strongroom/runtime/tracing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { selfSigned } from '../test/services.ts';
import { readCredentials } from './credentials.ts';
import { postJson } from './http-post.ts';
import { requestKey } from './request-keys.ts';

/** A service that asks for a certificate, and remembers whom it saw. */
const own = selfSigned();
const [worker, renewed] = [selfSigned(), selfSigned()];
const pemOf = ({ cert, key }: { cert: string; key: string }) => `${cert}\n${key}`;

interface Seen {
  readonly authorization: string | undefined;
  readonly certificate: string | undefined;
  readonly traceparent?: unknown;
}
let server: Server;
let url: string;
let folder: string;
let seen: Seen[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-credentials-'));
  const asking = { ...own, requestCert: true, rejectUnauthorized: false };
  server = createServer(asking, (request, response) => {
    const { socket, headers } = request;
    const peer = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    const { authorization } = headers;
    const traceparent = headers['traceparent'];
    seen.push({ authorization, certificate: peer?.toString(), traceparent });
    // As Azure Key Vault does, before it reads a body.
    const challenge = 'Bearer authorization="https://idp.example/t", resource="https://v.example"';
    const isChallenged = headers.authorization === undefined && request.url?.startsWith('/keys/');
    const json = { 'content-type': 'application/json' };
    response.writeHead(isChallenged ? 401 : 200, { ...json, 'www-authenticate': challenge });
    response.end(JSON.stringify({ value: 'a.b.c' }));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  url = `https://localhost:${typeof address === 'object' ? address?.port : 0}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  seen = [];
});

async function file(name: string, text: string): Promise<{ path: string }> {
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600 });
  return { path };
}
const NOBODY = { accessTokenFiles: [], clientCertificateFiles: [] };

const party = (id: string) => ({
  ...{ id: PartyIdSchema.parse(id), name: id, signingKey: {} },
  keyRelease: { url, releaseKey: {}, stateShareKeyId: 'share' },
});
const ask = async (owner: string, credentialFor: Awaited<ReturnType<typeof readCredentials>>) => {
  const options = { target: 'token', nonce: 'nonce', credentialFor, ca: own.cert };
  return await requestKey(party(owner) as never, 'kek', options);
};

describe('a worker with a client certificate', () => {
  test('presents it to key release, without any token', async () => {
    const clientCertificateFiles = [await file('pair', pemOf(worker))];
    const credentialFor = await readCredentials({ ...NOBODY, clientCertificateFiles });
    expect((await ask('west', credentialFor)).jws).toBe('a.b.c');
    expect(seen.map(({ certificate }) => certificate)).toEqual([worker.cert, worker.cert]);
    expect(seen[1]?.authorization?.trim()).toBe('Bearer');
  });

  test('says in which trace it asks, where somebody wants to know', async () => {
    const credentialFor = await readCredentials({
      ...NOBODY,
      accessTokenFiles: [await file('token', 'a token')],
    });
    const outcomes: object[] = [];
    const tracing: Tracing = {
      begin: () => expect.fail('no topic is meant'),
      beginCall: (start) => ({
        traceparent: `00-${'a'.repeat(32)}-${`${outcomes.length + 1}`.repeat(16)}-01`,
        end: (outcome) => outcomes.push({ ...start, ...outcome }),
      }),
      close: async () => undefined,
    };
    const options = { target: 'token', nonce: 'nonce', credentialFor, ca: own.cert, tracing };
    await requestKey(party('west') as never, 'kek', options);
    await postJson(new URL(`${url}/attest/SevSnpVm`), {}, { ca: own.cert, tracing });
    const absent = new URL('https://localhost:9/attest/SevSnpVm');
    await expect(postJson(absent, {}, { tracing })).rejects.toMatchObject({
      code: 'ERR_SERVICE_UNREACHABLE',
    });
    expect(outcomes).toMatchObject([
      { side: 'client', method: 'POST', status: 200 },
      { side: 'client', method: 'POST', status: 200 },
      { side: 'client', method: 'POST', code: 'ERR_SERVICE_UNREACHABLE' },
    ]);
    expect(seen.map(({ traceparent }) => String(traceparent).slice(-5, -3))).toEqual(
      ['11', '11', '22'], // Azure's client asks twice.
    );
  });

  test('presents it where leases are kept', async () => {
    const clientCertificateFiles = [await file('pair', pemOf(worker))];
    const credentialFor = await readCredentials({ ...NOBODY, clientCertificateFiles });
    const leases = new URL(`${url}/leases/x/nonces`);
    const options = { ...credentialFor('west'), ca: own.cert };
    expect((await postJson(leases, {}, options)).status).toBe(200);
    expect(seen).toEqual([{ authorization: undefined, certificate: worker.cert }]);
  });

  test('shows each owner what is meant for it', async () => {
    const credentialFor = await readCredentials({
      accessTokenFiles: [await file('token', 'a token\nan older one\n')],
      clientCertificateFiles: [{ party: 'west', ...(await file('pair', pemOf(worker))) }],
    });
    expect(credentialFor('west')).toEqual({ token: 'a token', certificate: pemOf(worker) });
    expect(credentialFor('east')).toEqual({ token: 'a token' });
    await ask('east', credentialFor);
    expect(seen[1]).toEqual({ authorization: 'Bearer a token', certificate: undefined });
  });

  test('takes a renewed one at once, and the last good one while it is being written', async () => {
    const pair = await file('pair', pemOf(worker));
    const credentialFor = await readCredentials({ ...NOBODY, clientCertificateFiles: [pair] });
    await file('pair', `${renewed.cert}\n`);
    expect(credentialFor('west')).toEqual({ certificate: pemOf(worker) });
    await file('pair', pemOf(renewed));
    await ask('west', credentialFor);
    expect(seen.map(({ certificate }) => certificate)).toEqual([renewed.cert, renewed.cert]);
  });

  test.each([
    ['nothing', ''],
    ['a certificate alone', worker.cert],
    ['a key alone', worker.key],
    ['the key of another one', `${worker.cert}\n${renewed.key}`],
  ])('does not start with %s', async (_name, text) => {
    const clientCertificateFiles = [await file('bad', text)];
    await expect(readCredentials({ ...NOBODY, clientCertificateFiles })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
  });
});
