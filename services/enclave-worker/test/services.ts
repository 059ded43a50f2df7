import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import { toPem } from '@strongroom/attestation/x509/pem';
import { writeRsaCertificate } from '@strongroom/attestation/x509/write-certificate';
import { der, sequence } from '@strongroom/attestation/x509/write-der';
import { parseTarget } from '@strongroom/protocol/attestation-proof';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes, parseCanonical } from '@strongroom/protocol/canonical-json';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';
import { payloadOf, TestLeases } from './leases.ts';
import type { Computation } from './owners.ts';

/**
 * What a worker asks of others, on one port: an attestation service that mints tokens without a
 * judgement, and the owners' key releases, whose answers are genuine. `refuse` makes one say no.
 */
export interface TestServices {
  readonly url: string;
  /** PEM of the authority that vouches for it. */
  readonly ca: string;
  /** Counts of requests, by path. */
  readonly seen: Map<string, number>;
  readonly leases: TestLeases;
  refuse: Refusal | undefined;
  /** What the authorities answer instead of a token of theirs. */
  forge: string | undefined;
  close(): Promise<void>;
}

interface Refusal {
  readonly path: RegExp;
  readonly status: number;
  readonly code: string | ((path: string) => string);
}

/** Of the right shape; nobody verifies it before it lies on the log. */
const RECEIPT = { v: 1, index: 3, entry: '{}', proof: ['ab'.repeat(32)], head: 'a.b.c' };

/**
 * @param mint makes the authorities' tokens; by default some that only a worker believes
 */
export async function startServices(
  computation: () => Computation,
  mint: Mint = tokenOf,
): Promise<TestServices> {
  const seen = new Map<string, number>();
  const services: Lies = { refuse: undefined, forge: undefined, mint };
  const tls = selfSigned();
  const leases = new TestLeases(computation);
  const server = createServer(tls, (request, response) => {
    const path = new URL(request.url ?? '', 'http://localhost').pathname;
    seen.set(path, (seen.get(path) ?? 0) + 1);
    answer(request, path, computation, services, leases).then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(JSON.stringify(body)),
      () => response.writeHead(500).end(),
    );
  });
  const port = await listening(server);
  return Object.assign(services, {
    url: `https://localhost:${port}`,
    ca: tls.cert,
    seen,
    leases,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  });
}

export function selfSigned(): { cert: string; key: string } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const name = [['CN', 'localhost']] as const;
  const now = systemClock.now();
  const localhost = der(0x82, new TextEncoder().encode('localhost'));
  const certificate = writeRsaCertificate(
    {
      serial: Uint8Array.of(1),
      issuer: name,
      subject: name,
      notBefore: now - 86_400_000,
      notAfter: now + 86_400_000,
      spki: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }),
      extensions: new Map([['2.5.29.17', { critical: false, value: sequence(localhost) }]]),
    },
    privateKey,
  );
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return { cert: toPem(certificate), key: pem };
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}

type Mint = (issuer: string, runtime: unknown) => string | Promise<string>;
type Lies = Pick<TestServices, 'refuse' | 'forge'> & { readonly mint: Mint };

async function answer(
  request: IncomingMessage,
  path: string,
  computation: () => Computation,
  { refuse, forge, mint }: Lies,
  leases: TestLeases,
) {
  const json = { 'content-type': 'application/json' };
  if (refuse?.path.test(path) && request.headers.authorization !== undefined) {
    const code = typeof refuse.code === 'string' ? refuse.code : refuse.code(path);
    const body = { error: { code: 'Forbidden', innererror: { code } } };
    return { status: refuse.status, headers: json, body };
  }
  if (path.endsWith(ATTEST))
    return { ...(await attest(request, path, { refuse, forge, mint })), headers: json };
  const [, owner = '', , keyId = ''] = path.split('/');
  if (request.headers.authorization === undefined) {
    const resource = 'resource="https://vault.example"';
    const challenge = `Bearer authorization="https://idp.example/tenant", ${resource}`;
    return { status: 401, headers: { ...json, 'www-authenticate': challenge }, body: {} };
  }
  if (path.includes('/leases/')) {
    return { headers: json, ...(await leases.answer(owner, path, await bodyOf(request))) };
  }
  const { target, nonce } = await bodyOf(request);
  const [token = ''] = parseTarget(String(target)).tokens;
  const [transport] = RuntimeClaimsSchema.parse(payloadOf(token)['x-ms-runtime']).keys;
  const value = await computation().release(owner, keyId, nonce, transport);
  return { status: 200, headers: json, body: { value, receipt: RECEIPT } };
}

const ATTEST = '/attest/SevSnpVm';

/** An authority's name is the URL in front of its route. */
async function attest(request: IncomingMessage, path: string, { refuse, forge, mint }: Lies) {
  if (refuse?.path.test(path)) {
    return { status: refuse.status, body: { error: { code: refuse.code } } };
  }
  const { runtimeData } = await bodyOf(request);
  if (forge !== undefined) return { status: 200, body: { token: forge } };
  const bytes = decodeBase64url(runtimeData.data) ?? new Uint8Array(0);
  const issuer = `https://${request.headers.host}${path.slice(0, -ATTEST.length)}`;
  return { status: 200, body: { token: await mint(issuer, parseCanonical(bytes)) } };
}

/** What a worker can read of a token; nobody here verifies it. */
export function tokenOf(iss: string, runtime: unknown): string {
  const claims = canonicalBytes({ iss, 'x-ms-runtime': runtime });
  return `e30.${encodeBase64url(claims)}.AA`;
}

// biome-ignore lint/suspicious/noExplicitAny: bodies of tests
async function bodyOf(request: IncomingMessage): Promise<any> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString());
}
