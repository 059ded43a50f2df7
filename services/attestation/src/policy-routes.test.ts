import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reportDataOf } from '@strongroom/attestation/binding';
import { simulatedRoots } from '@strongroom/attestation/insecure';
import type { RootSet } from '@strongroom/attestation/roots';
import { toPem } from '@strongroom/attestation/x509/pem';
import { writeRsaCertificate } from '@strongroom/attestation/x509/write-certificate';
import { codeOf } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { CompactSign, decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAdmin, parseAdminTokens } from './admin.ts';
import { createAttestationServer } from './http.ts';
import { readPolicyCertificates, unsignedPolicy } from './policy-document.ts';
import { DEFAULT_POLICY, openPolicyStore } from './policy-store.ts';
import { openTokenSigner, type TokenSigner } from './signing-key.ts';

const ADMIN = 'a'.repeat(22);
const VERSION = '?api-version=2022-08-01';
const DATA = new TextEncoder().encode('{"keys":[]}');
let keys: string;
let folder: string;
let signer: TokenSigner;
let roots: RootSet;
let evidence: object;

beforeAll(async () => {
  keys = await mkdtemp(join(tmpdir(), 'strongroom-policy-keys-'));
  signer = await openTokenSigner(keys, systemClock);
  const shared = await sharedTestPlatform();
  roots = simulatedRoots(shared.folder);
  const options = { image: [new Uint8Array(10)], hostData: new Uint8Array(32) };
  const { report, certificateChain } = await shared.platform
    .launch(options)
    .quote(reportDataOf(DATA));
  const inner = {
    SnpReport: base64url(report),
    VcekCertChain: base64url(certificateChain),
  };
  const runtimeData = { data: base64url(DATA), dataType: 'JSON' };
  evidence = { report: base64url(JSON.stringify(inner)), runtimeData };
}, 60_000);
afterAll(() => rm(keys, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-policies-'));
  return () => rm(folder, { recursive: true, force: true });
});

const base64url = (data: string | Uint8Array) => Buffer.from(data).toString('base64url');

async function server(pem?: string) {
  const app = createAttestationServer({
    roots,
    signer,
    policies: await openPolicyStore(folder, pem === undefined ? [] : readPolicyCertificates(pem)),
    admin: createAdmin([ADMIN]),
    clock: systemClock,
    issuer: () => 'https://attest.example',
    logger: createLogger('test', { level: 'silent' }),
    metrics: createMetrics('test'),
  });
  const ask = async (method: 'GET' | 'PUT' | 'POST', path: string, body?: object | string) => {
    const headers = {
      authorization: `Bearer ${ADMIN}`,
      ...(body === undefined
        ? {}
        : { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' }),
    };
    const payload = body === undefined ? {} : { payload: body };
    const answer = await app.inject({ method, url: path + VERSION, headers, ...payload });
    const { token, error } = answer.json();
    return { status: answer.statusCode, error, token, claims: token ? decodeJwt(token) : {} };
  };
  const put = (jws: string, type = 'SevSnpVm') => ask('PUT', `/policies/${type}`, jws);
  const attest = (more: object = {}) => ask('POST', '/attest/SevSnpVm', { ...evidence, ...more });
  return { app, ask, put, attest };
}

const policyOf = (authorization: string, issuance = '') =>
  `version=1.2;authorizationrules{${authorization}};issuancerules{${issuance}};`;
const DENYING = policyOf('=> deny();');
const hashOf = (text: string) => createHash('sha256').update(base64url(text)).digest('base64url');

describe('the attestation policy', () => {
  test('is the default at first, which tokens name by its hash', async () => {
    const { ask, attest } = await server();
    const { claims, status } = await ask('GET', '/policies/SevSnpVm');
    expect([status, claims['x-ms-policy']]).toEqual([200, unsignedPolicy(DEFAULT_POLICY)]);
    expect(claims).toMatchObject({ iss: 'https://attest.example', exp: expect.any(Number) });
    expect((await attest()).claims['x-ms-policy-hash']).toBe(hashOf(DEFAULT_POLICY));
  });

  test('once set decides at once, outlives a restart, and can be taken away', async () => {
    const first = await server();
    const jws = unsignedPolicy(DENYING);
    const { claims } = await first.put(jws);
    expect(claims).toMatchObject({
      'x-ms-policy-result': 'Updated',
      'x-ms-policy-token-hash': createHash('sha256').update(jws).digest('base64url'),
    });
    expect(claims).not.toHaveProperty('x-ms-policy-signer');
    const denied = { status: 400, error: { code: 'ERR_ATTESTATION_DENIED' } };
    expect(await first.attest()).toMatchObject(denied);
    expect((await first.ask('GET', '/policies/sevsnpvm')).claims['x-ms-policy']).toBe(jws);
    const second = await server();
    expect(await second.attest()).toMatchObject(denied);
    const reset = await second.ask('POST', '/policies/SevSnpVm:reset', 'eyJhbGciOiJub25lIn0..');
    expect(reset.claims).toMatchObject({ 'x-ms-policy-result': 'Removed' });
    expect((await second.attest()).status).toBe(200);
    expect((await (await server()).attest()).status).toBe(200);
  });

  test('is one for each type of evidence', async () => {
    const { put, attest, ask } = await server();
    expect((await put(unsignedPolicy(DENYING), 'AzureGuest')).status).toBe(200);
    expect((await attest()).status).toBe(200);
    expect((await ask('GET', '/policies/AzureGuest')).claims['x-ms-policy']).toBe(
      unsignedPolicy(DENYING),
    );
  });

  test('reads the claims of the token, and adds to them', async () => {
    const { put, attest } = await server();
    const rules = policyOf(
      '[type=="x-ms-sevsnpvm-vmpl", value==0, issuer=="AttestationService"] && ' +
        '[type=="x-ms-sevsnpvm-is-debuggable", value==true] => permit();',
      'c:[type=="x-ms-sevsnpvm-guestsvn"] => issue(type="svn", value=c.value);' +
        'c:[type=="x-ms-runtime", issuer=="CustomClaim"] => ' +
        'issue(type="keys", value=JsonToClaimValue(JmesPath(c.value, "length(keys)")));' +
        '=> issueproperty(type="report_validity_in_minutes", value=60);' +
        'c:[type=="x-ms-ver"] => issue(claim=c);',
    );
    await put(unsignedPolicy(rules));
    const { claims } = await attest();
    expect(claims).toMatchObject({
      svn: 0,
      keys: 0,
      'x-ms-policy': { svn: 0, keys: 0, 'x-ms-ver': '1.0' },
      'x-ms-policy-hash': hashOf(rules),
    });
    expect(Number(claims.exp) - Number(claims.iat)).toBe(3_600);
  });

  test.each([
    ['=> issue(type=AppendString("x-ms-compliance", "-status"), value="yes");'],
    ['=> issue(type=AppendString("is", "s"), value="https://other.example");'],
    ['c:[type=="x-ms-runtime"] => issue(claim=c);'],
    ['c:[type=="x-ms-ver"] => issue(type=c.type, value="2.0");'],
    ['=> issue(type="a", value=JsonToClaimValue("1.5"));'],
  ])('cannot speak in the name of the service: %s', async (rule) => {
    const { put, attest } = await server();
    expect((await put(unsignedPolicy(policyOf('=> permit();', rule)))).status).toBe(200);
    expect((await attest()).error).toMatchObject({ code: 'ERR_ATTESTATION_DENIED' });
  });

  test('as a draft is tried without being set, and its token is signed by nobody', async () => {
    const { attest } = await server();
    const draft = policyOf('=> permit();', '=> issue(type="draft", value=true);');
    const { token, claims } = await attest({ draftPolicyForAttestation: unsignedPolicy(draft) });
    expect(claims).toMatchObject({ draft: true, 'x-ms-policy-hash': hashOf(draft) });
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'none', typ: 'JWT' });
    expect(token.endsWith('.')).toBe(true);
    expect((await attest()).claims).not.toHaveProperty('draft');
    const denied = { draftPolicyForAttestation: unsignedPolicy(DENYING) };
    expect((await attest(denied)).error.code).toBe('ERR_ATTESTATION_DENIED');
    expect((await attest({ draftPolicyForAttestation: 'x' })).error.code).toBe(
      'ERR_REQUEST_INVALID',
    );
  });
});

describe('a policy that is refused', () => {
  const jwsOf = (header: string, payload: string, signature = '') =>
    `${base64url(header)}.${base64url(payload)}.${signature}`;
  const NONE = '{"alg":"none"}';
  const payloadOf = (text: string) => JSON.stringify({ AttestationPolicy: base64url(text) });

  test.each([
    ['no JWS', 'version=1.0;', 'ERR_REQUEST_INVALID'],
    ['nothing', '..', 'ERR_REQUEST_INVALID'],
    ['the policy of a reset', 'eyJhbGciOiJub25lIn0..', 'ERR_REQUEST_INVALID'],
    ['a fourth part', `${unsignedPolicy(DENYING)}.`, 'ERR_REQUEST_INVALID'],
    ['a signature of nobody', jwsOf(NONE, payloadOf(DENYING), 'AAAA'), 'ERR_REQUEST_INVALID'],
    ['another algorithm', jwsOf('{"alg":"HS256"}', payloadOf(DENYING)), 'ERR_REQUEST_INVALID'],
    [
      'a critical header',
      jwsOf('{"alg":"none","crit":[]}', payloadOf(DENYING)),
      'ERR_REQUEST_INVALID',
    ],
    [
      'two algorithms',
      jwsOf('{"alg":"RS256","alg":"none"}', payloadOf(DENYING)),
      'ERR_REQUEST_INVALID',
    ],
    ['another payload', jwsOf(NONE, '{"policy":""}'), 'ERR_REQUEST_INVALID'],
    [
      'the bare text, as old examples have it',
      jwsOf(NONE, JSON.stringify({ AttestationPolicy: DENYING })),
      'ERR_REQUEST_INVALID',
    ],
    [
      'a broken text',
      jwsOf(NONE, payloadOf('version=1.0;authorizationrules{')),
      'ERR_ATTESTATION_POLICY_MALFORMED',
    ],
    ['an empty text', jwsOf(NONE, payloadOf('')), 'ERR_ATTESTATION_POLICY_MALFORMED'],
    [
      'a signature that nobody vouches for',
      jwsOf('{"alg":"RS256"}', payloadOf(DENYING), 'AAAA'),
      'ERR_ATTESTATION_POLICY_SIGNATURE',
    ],
  ])('%s leaves the one before in force', async (_name, jws, code) => {
    const { put, attest } = await server();
    const before = policyOf('=> permit();', '=> issue(type="before", value=1);');
    await put(unsignedPolicy(before));
    expect(await put(jws)).toMatchObject({ status: 400, error: { code } });
    expect((await attest()).claims).toMatchObject({ before: 1 });
    expect(await readdir(folder)).toEqual(['policy-SevSnpVm.jws']);
  });

  test('tells the line and the column', async () => {
    const { put } = await server();
    const { error } = await put(
      unsignedPolicy('version=1.0;\nauthorizationrules { => allow(); };'),
    );
    expect(error.message).toContain('line: 2, column: 25');
  });

  test('by its type, its version or its content type', async () => {
    const { ask, app } = await server();
    const jws = unsignedPolicy(DENYING);
    expect((await ask('PUT', '/policies/SgxEnclave', jws)).error.code).toBe('ERR_REQUEST_INVALID');
    expect((await ask('POST', '/policies/SevSnpVm', jws)).error.code).toBe('ERR_REQUEST_INVALID');
    expect((await ask('PUT', '/policies/SevSnpVm', { jws })).status).toBe(415);
    const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'text/plain' };
    const url = '/policies/SevSnpVm';
    const answer = await app.inject({ method: 'PUT', url, headers, payload: jws });
    expect(answer.json().error.code).toBe('ERR_REQUEST_INVALID');
  });

  test('by its sender, before its body is read', async () => {
    const { app } = await server();
    const url = `/policies/SevSnpVm${VERSION}`;
    for (const authorization of [undefined, 'Bearer ', `Basic ${ADMIN}`, `Bearer ${ADMIN}b`]) {
      const headers = {
        'content-type': 'application/unheard-of',
        ...(authorization === undefined ? {} : { authorization }),
      };
      const answer = await app.inject({ method: 'PUT', url, headers, payload: 'x' });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.json().error.code).toBe('ERR_UNAUTHENTICATED');
    }
    expect(() => createAdmin([]).demand(`Bearer ${ADMIN}`)).toThrow(/access token/);
  });
});

describe('with policy management certificates', () => {
  const signed = (text: string, privateKey: KeyObject, header: object = {}) =>
    new CompactSign(
      new TextEncoder().encode(
        text === '' ? '' : JSON.stringify({ AttestationPolicy: base64url(text) }),
      ),
    )
      .setProtectedHeader({ ...header, alg: 'RS256' })
      .sign(privateKey);
  const ours = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = pemOf(ours);

  test('their signature is needed for everything, and tokens name the signer', async () => {
    const { put, ask, attest } = await server(pem);
    const ALLOW = policyOf('=> permit();');
    for (const jws of [unsignedPolicy(ALLOW), await signed(ALLOW, other.privateKey)]) {
      expect((await put(jws)).error.code).toBe('ERR_ATTESTATION_POLICY_SIGNATURE');
    }
    // The certificate that a JWS brings along speaks for nobody.
    const x5c = [pemOf(other).replaceAll(/-----.*-----|\n/g, '')];
    const brought = await signed(ALLOW, other.privateKey, { x5c });
    expect((await put(brought)).error.code).toBe('ERR_ATTESTATION_POLICY_SIGNATURE');
    const { n } = ours.publicKey.export({ format: 'jwk' });
    const { claims } = await put(await signed(ALLOW, ours.privateKey));
    expect(claims).toMatchObject({ 'x-ms-policy-signer': { kty: 'RSA', n } });
    expect((await attest()).claims).toMatchObject({ 'x-ms-policy-signer': { n } });
    const unsigned = await ask('POST', '/policies/SevSnpVm:reset', 'eyJhbGciOiJub25lIn0..');
    expect(unsigned.error.code).toBe('ERR_ATTESTATION_POLICY_SIGNATURE');
    const reset = await signed('', ours.privateKey);
    expect((await ask('POST', '/policies/SevSnpVm:reset', reset)).status).toBe(200);
    expect((await attest()).claims).not.toHaveProperty('x-ms-policy-signer');
  });

  test('a policy on the disk that is not signed, or was changed, stops the start', async () => {
    const first = await server();
    await first.put(unsignedPolicy(DENYING));
    await expect(server(pem).catch(codeOf)).resolves.toBe('ERR_CONFIG_INVALID');
    await writeFile(join(folder, 'policy-SevSnpVm.jws'), 'x');
    await expect(server().catch(codeOf)).resolves.toBe('ERR_CONFIG_INVALID');
  });

  test.each([
    ['nothing', '', 'ERR_CONFIG_INVALID'],
    ['no PEM', 'x', 'ERR_CONFIG_INVALID'],
    [
      'a short key',
      pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 })),
      'ERR_CONFIG_INVALID',
    ],
  ])('are refused when they are %s', (_name, text, code) => {
    try {
      readPolicyCertificates(text);
      expect.unreachable();
    } catch (error) {
      expect(codeOf(error)).toBe(code);
    }
  });
});

test.each([['short'], [''], ['with white space in between the two']])(
  'a file of administrators with %j is refused',
  (text) => {
    expect(() => parseAdminTokens(text)).toThrow(/admin-token-file/);
  },
);

function pemOf({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }) {
  const name = [['CN', 'policy']] as const;
  const der = writeRsaCertificate(
    {
      serial: new Uint8Array([1]),
      issuer: name,
      subject: name,
      notBefore: Date.parse('2026-01-01'),
      notAfter: Date.parse('2036-01-01'),
      spki: publicKey.export({ format: 'der', type: 'spki' }),
      extensions: new Map(),
    },
    privateKey,
  );
  return toPem(der);
}
