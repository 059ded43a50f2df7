import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reportDataOf } from '@strongroom/attestation/binding';
import { measureImage, simulatedRoots } from '@strongroom/attestation/insecure';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import { runtimeClaimsOf, verifyToken } from '@strongroom/attestation/token';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf } from '@strongroom/protocol/errors';
import { IssuerKeySchema } from '@strongroom/protocol/public-key';
import { systemClock } from '@strongroom/runtime/clock';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAdmin } from './admin.ts';
import { createAttestationServer, type HttpOptions } from './http.ts';
import { openPolicyStore, type PolicyStore } from './policy-store.ts';
import { openTokenSigner, type TokenSigner } from './signing-key.ts';

const ISSUER = 'https://attest.example';
const URL = '/attest/SevSnpVm?api-version=2022-08-01';
const CONTRACT = 'ab'.repeat(32);

let folder: string;
let signer: TokenSigner;
let policies: PolicyStore;
let simulated: RootSet;
let claims: Uint8Array;
let report: Uint8Array;
let chain: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-attestation-'));
  signer = await openTokenSigner(folder, systemClock);
  policies = await openPolicyStore(folder);
  const shared = await sharedTestPlatform();
  simulated = simulatedRoots(shared.folder);
  claims = canonicalBytes(await runtimeClaims());
  const platform = shared.platform.launch({
    image: [new TextEncoder().encode('worker')],
    hostData: Buffer.from(CONTRACT, 'hex'),
  });
  const quote = await platform.quote(reportDataOf(claims));
  report = quote.report;
  chain = quote.certificateChain;
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function runtimeClaims() {
  const transport = await generateKeyPair('RSA-OAEP-256', { modulusLength: 2048 });
  const aggregates = await generateKeyPair('Ed25519');
  const rsa = await exportJWK(transport.publicKey);
  const ed = await exportJWK(aggregates.publicKey);
  return {
    contract: CONTRACT,
    keys: [
      { ...rsa, kid: 'transport', key_ops: ['encrypt'] },
      { ...ed, kid: 'aggregates', key_ops: ['verify'] },
    ],
    nonce: Buffer.alloc(32, 7).toString('base64url'),
    purpose: 'strongroom/worker/v1',
  };
}

function server(roots: RootSet = simulated, more: Partial<HttpOptions> = {}) {
  return createAttestationServer({
    roots,
    signer,
    policies,
    admin: createAdmin([]),
    warning: 'simulated',
    clock: systemClock,
    issuer: () => ISSUER,
    logger: createLogger('test', { level: 'silent' }),
    metrics: createMetrics('test'),
    ...more,
  });
}

interface Parts {
  report?: Uint8Array;
  chain?: string;
  data?: Uint8Array;
  more?: object;
}

function body(parts: Parts = {}) {
  const inner = {
    SnpReport: Buffer.from(parts.report ?? report).toString('base64url'),
    VcekCertChain: Buffer.from(parts.chain ?? chain).toString('base64url'),
  };
  return {
    report: Buffer.from(JSON.stringify(inner)).toString('base64url'),
    runtimeData: {
      data: Buffer.from(parts.data ?? claims).toString('base64url'),
      dataType: 'JSON',
    },
    ...parts.more,
  };
}

function post(app: ReturnType<typeof server>, payload: object | string, url = URL) {
  const headers = { 'content-type': 'application/json' };
  return app.inject({ method: 'POST', url, headers, payload });
}

async function publishedKeys(app: ReturnType<typeof server>) {
  const { keys } = (await app.inject({ url: '/certs' })).json();
  return keys.map(({ kty, n, e }: Record<string, string>) => IssuerKeySchema.parse({ kty, n, e }));
}

describe('attestation service', () => {
  test('turns evidence into a token that verifies with the published key', async () => {
    const app = server();
    const answer = await post(app, body({ more: { nonce: 'challenge' } }));
    expect(answer.statusCode).toBe(200);
    const keys = await publishedKeys(app);
    const authorities = [{ issuer: ISSUER, keys }];
    const token = await verifyToken(answer.json().token, { authorities, clock: systemClock });
    expect(runtimeClaimsOf(token).contract).toBe(CONTRACT);
    expect(token).toMatchObject({
      nonce: 'challenge',
      'x-ms-attestation-type': 'sevsnpvm-simulated',
      'x-strongroom-platform': 'simulated',
      'x-ms-sevsnpvm-is-debuggable': true,
      'x-ms-sevsnpvm-hostdata': CONTRACT,
    });
    expect(token).not.toHaveProperty('x-ms-compliance-status');
    expect(token.exp - token.iat).toBe(600);
    expect(token['jti']).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each([
    ['/attest/SevSnpVM?api-version=2020-10-01', 200],
    ['/attest/sevsnpvm?api-version=2025-06-01', 200],
    ['/attest/SevSnpVm', 400],
    ['/attest/SevSnpVm?api-version=1999-01-01', 400],
    ['/attest/TdxVm?api-version=2022-08-01', 400],
  ])('answers %s with %i', async (url, status) => {
    expect((await post(server(), body(), url)).statusCode).toBe(status);
  });

  test('echoes a number nonce beyond 2^53 digit by digit, and tolerates padding', async () => {
    const padded = { ...body(), initTimeData: { data: '', dataType: '' } };
    padded.runtimeData.data += '='.repeat((4 - (padded.runtimeData.data.length % 4)) % 4);
    const text = JSON.stringify(padded).replace(/}$/, ',"nonce":13202930541250959283}');
    const answer = await post(server(), text);
    expect(answer.statusCode).toBe(200);
    const [, payload = ''] = answer.json().token.split('.');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString()).nonce).toBe(
      '13202930541250959283',
    );
  });

  test('refuses a report of which one bit was changed', async () => {
    const tampered = report.slice();
    tampered[0x90] = (tampered[0x90] ?? 0) ^ 1;
    const answer = await post(server(), body({ report: tampered }));
    expect(answer.statusCode).toBe(400);
    expect(answer.json().error).toMatchObject({
      code: 'ERR_REPORT_SIGNATURE',
      innererror: { code: 'signature' },
    });
  });

  test('refuses runtime data that the report does not bind', async () => {
    const other = new TextEncoder().encode('{"a":1}');
    const answer = await post(server(), body({ data: other }));
    expect(answer.json().error.code).toBe('ERR_REPORT_DATA_MISMATCH');
  });

  test('refuses runtime data that is nested too deeply to be written into a token', async () => {
    const deep = new TextEncoder().encode(`{"a":${'['.repeat(4_000)}${']'.repeat(4_000)}}`);
    const { error } = (await post(server(), body({ data: deep }))).json();
    expect([error.code, error.innererror.code]).toEqual([
      'ERR_EVIDENCE_MALFORMED',
      'runtime-data-depth',
    ]);
  });

  test('refuses initialisation data that is not the host data', async () => {
    const initTimeData = { data: Buffer.from('policy').toString('base64url'), dataType: 'Binary' };
    const answer = await post(server(), body({ more: { initTimeData } }));
    expect(answer.json().error.code).toBe('ERR_REPORT_DATA_MISMATCH');
  });

  test('for AMD hardware refuses simulated evidence', async () => {
    const answer = await post(server(AMD_ROOTS), body());
    expect(answer.statusCode).toBe(400);
    expect(answer.json().error.code).toBe('ERR_ROOT_KIND');
  });

  test('with a policy names every mismatch at once', async () => {
    const floor = { bootLoader: 0, tee: 0, snp: 255, microcode: 0 };
    const policy = {
      platform: 'simulated' as const,
      minimumTcb: { Genoa: floor },
      measurements: ['00'.repeat(48)],
      hostData: CONTRACT,
    };
    const answer = await post(server(simulated, { policy }), body());
    const { code, details } = answer.json().error;
    expect(code).toBe('ERR_MEASUREMENT_MISMATCH');
    expect(details.map(({ claim }: { claim: string }) => claim)).toEqual([
      'measurement',
      'tcb.reported.snp',
      'tcb.committed.snp',
      'tcb.launch.snp',
      'tcb.current.snp',
    ]);
    const measurements = [measureImage([new TextEncoder().encode('worker')])];
    const right = { ...policy, measurements, minimumTcb: { Genoa: { ...floor, snp: 28 } } };
    expect((await post(server(simulated, { policy: right }), body())).statusCode).toBe(200);
  });

  test.each([
    ['no JSON', '{', 'ERR_JSON_MALFORMED'],
    ['an unknown member', { draftPolicy: '' }, 'ERR_EVIDENCE_MALFORMED'],
    ['no report', { report: '' }, 'ERR_EVIDENCE_MALFORMED'],
    ['half of the padding', { initTimeData: { data: 'AA=' } }, 'ERR_EVIDENCE_MALFORMED'],
    ['padding that is not needed', { initTimeData: { data: 'AAAA=' } }, 'ERR_EVIDENCE_MALFORMED'],
    ['too much padding', { initTimeData: { data: 'AA===' } }, 'ERR_EVIDENCE_MALFORMED'],
    ['a member twice', '{"nonce":"a","nonce":"b"}', 'ERR_JSON_MALFORMED'],
    ['deep JSON', `${'['.repeat(33)}${']'.repeat(33)}`, 'ERR_JSON_MALFORMED'],
    ['base64 instead of base64url', { report: '+/+/' }, 'ERR_EVIDENCE_MALFORMED'],
  ])('refuses %s', async (_name, more, code) => {
    const answer = await post(server(), typeof more === 'string' ? more : body({ more }));
    expect([answer.statusCode, answer.json().error.code]).toEqual([400, code]);
  });

  test('refuses another content type and a body over the limit as HTTP does', async () => {
    const headers = { 'content-type': 'text/plain' };
    const text = { method: 'POST' as const, url: URL, headers, payload: 'x' };
    expect((await server().inject(text)).statusCode).toBe(415);
    expect((await post(server(), body({ more: { nonce: 'x'.repeat(300_000) } }))).statusCode).toBe(
      413,
    );
  });

  test('publishes its key with a certificate, and where it is found', async () => {
    const app = server();
    const [published] = (await app.inject({ url: '/certs' })).json().keys;
    expect(published).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig', kid: signer.kid });
    expect(published).not.toHaveProperty('d');
    const [x5c] = published.x5c;
    const certificate = new X509Certificate(Buffer.from(x5c, 'base64'));
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.export({ format: 'jwk' }).n).toBe(published.n);
    const discovery = (await app.inject({ url: '/.well-known/openid-configuration' })).json();
    expect(discovery).toMatchObject({ issuer: ISSUER, jwks_uri: `${ISSUER}/certs` });
  });

  test('says in /healthz that it proves nothing', async () => {
    const health = (await server().inject({ url: '/healthz' })).json();
    expect(health).toMatchObject({ platform: 'simulated', warning: 'simulated' });
  });

  test('an administrator, and nobody else, publishes the next key before it signs', async () => {
    const rotating = await openTokenSigner(join(folder, 'rotating'), systemClock);
    const app = server(simulated, { signer: rotating, admin: createAdmin(['r'.repeat(22)]) });
    const rotate = (authorization: string) =>
      app.inject({ method: 'POST', url: '/certs:rotate', headers: { authorization } });
    expect((await rotate('Bearer x')).statusCode).toBe(401);
    expect((await app.inject({ url: '/certs' })).json().keys).toHaveLength(1);
    const next = (await rotate(`Bearer ${'r'.repeat(22)}`)).json();
    expect(Date.parse(next.signsFrom)).toBeGreaterThan(systemClock.now());
    const { keys } = (await app.inject({ url: '/certs' })).json();
    expect(keys.map(({ kid }: { kid: string }) => kid)).toEqual([rotating.kid, next.kid]);
    const { token } = (await post(app, body())).json();
    expect(decodeProtectedHeader(token).kid).toBe(rotating.kid);
  });
});

test('a token of another issuer with our name does not verify', async () => {
  const stranger = await openTokenSigner(join(folder, 'stranger'), systemClock);
  const token = (await post(server(), body())).json().token;
  const { kty, n, e } = stranger.publicJwk;
  const authorities = [{ issuer: ISSUER, keys: [IssuerKeySchema.parse({ kty, n, e })] }];
  const verification = verifyToken(token, { authorities, clock: systemClock });
  await expect(verification.catch(codeOf)).resolves.toBe('ERR_TOKEN_INVALID');
});
