import { constants, generateKeyPairSync, privateDecrypt, publicEncrypt } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { createTls } from './tls.ts';

/** A vault that wraps and unwraps with one RSA key, as Azure Key Vault does and ours does not. */
export async function startWrappingVault(token: string) {
  const tls = createTls('localhost');
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const state = { enabled: true, kid: '', asked: [] as string[] };
  const server = createServer(tls, async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${token}`) {
      const resource = 'https://localhost';
      const challenge = `Bearer authorization="${resource}/tenant", resource="${resource}"`;
      response.setHeader('www-authenticate', challenge);
      return answer(401, { error: { code: 'Unauthorized', message: 'no token' } });
    }
    const { pathname } = new URL(request.url ?? '', 'https://localhost');
    state.asked.push(`${request.method} ${pathname}`);
    if (!state.enabled) return answer(403, { error: { code: 'Forbidden', message: 'disabled' } });
    if (request.method === 'GET') {
      const { kty, n, e } = publicKey.export({ format: 'jwk' });
      return answer(200, { key: { kid: state.kid, kty, n, e, key_ops: ['wrapKey', 'unwrapKey'] } });
    }
    const operation = pathname.split('/').at(-1);
    if (operation !== 'wrapkey' && operation !== 'unwrapkey') {
      return answer(404, { error: { code: 'KeyNotFound', message: 'not offered' } });
    }
    const { alg, value } = JSON.parse(await text(request));
    if (alg !== 'RSA-OAEP-256') {
      return answer(400, { error: { code: 'BadParameter', message: 'alg' } });
    }
    const bytes = Buffer.from(value, 'base64url');
    const result =
      operation === 'wrapkey'
        ? publicEncrypt({ key: publicKey, ...padding }, bytes)
        : privateDecrypt({ key: privateKey, ...padding }, bytes);
    return answer(200, { kid: state.kid, value: result.toString('base64url') });
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  state.kid = `https://localhost:${port}${KEY_PATH}`;
  return {
    key: state.kid,
    ca: tls.ca,
    state,
    stop: () => server.close(),
  };
}

const KEY_PATH = `/keys/master/${'0123456789abcdef'.repeat(2)}`;

async function text(request: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of request) all += String(chunk);
  return all;
}
