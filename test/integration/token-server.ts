import { once } from 'node:events';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** An authorization server of RFC 6749 with one client, `north`, for a broker that knows its keys. */
export interface TokenServer {
  readonly url: string;
  readonly keySet: { readonly keys: readonly object[] };
  /** Tokens that were given so far. */
  asked(): number;
  stop(): Promise<void>;
}

export const ISSUER = 'https://tokens.example';
export const AUDIENCE = 'kafka';
/** Short, so that a test can see them end. */
const TOKEN_SECONDS = 14;

export async function startTokenServer(secret: string): Promise<TokenServer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const stranger = await generateKeyPair('RS256');
  let asked = 0;
  const server = createServer(async (request, response) => {
    const [, basic = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    const [user, password] = Buffer.from(basic, 'base64').toString().split(':');
    const isKnown = new URLSearchParams(`p=${password}`).get('p') === secret;
    response.setHeader('content-type', 'application/json');
    if (user !== 'north' || !isKnown) {
      response.writeHead(401).end(JSON.stringify({ error: 'invalid_client' }));
      return;
    }
    asked += 1;
    const key = request.url === '/forged' ? stranger.privateKey : privateKey;
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject('north')
      .setIssuedAt()
      .setExpirationTime(`${TOKEN_SECONDS}s`)
      .sign(key);
    const answer = { access_token: token, token_type: 'Bearer', expires_in: TOKEN_SECONDS };
    response.end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  return {
    url: `http://127.0.0.1:${port}`,
    keySet: { keys: [jwk] },
    asked: () => asked,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
