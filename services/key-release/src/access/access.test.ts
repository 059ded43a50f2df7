import { createHmac, generateKeyPairSync } from 'node:crypto';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { type CallerRule, createAccess, demandRight, RIGHTS, sha256 } from './access.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { createBearerVerifier } from './oidc.ts';
import { createRateLimit } from './rate-limit.ts';

/** Whom the service takes somebody for, by everything that could be said wrong about oneself. */

const ISSUER = 'https://login.example';
const NOW = 1_800_000_000;
const clock = { now: () => NOW * 1_000, monotonic: () => 0 };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaJwk = rsa.publicKey.export({ format: 'jwk' });
const ecJwk = ec.publicKey.export({ format: 'jwk' });
const keys = [
  { kty: 'RSA' as const, n: String(rsaJwk.n), e: 'AQAB', kid: 'r1' },
  { kty: 'EC' as const, crv: 'P-256' as const, x: String(ecJwk.x), y: String(ecJwk.y), kid: 'e1' },
  { kty: 'RSA' as const, n: String(rsaJwk.n), e: 'AQAB', kid: 'p1', alg: 'PS256' as const },
];
const jwks = { keysOf: () => Promise.reject(new StrongroomError('ERR_TOKEN_INVALID')) };
const issuers = [
  { issuer: ISSUER, audience: 'vault', keys },
  { issuer: 'https://other.example', audience: 'vault', jwks: 'https://other.example/keys' },
];
const TOKEN = 't'.repeat(43);
const rules: CallerRule[] = [
  { name: 'holder', rights: ['administer'], tokenSha256: sha256(TOKEN) },
  { name: 'worker', rights: ['release'], oidc: { issuer: ISSUER, subject: 'worker' } },
  {
    name: 'auditor',
    rights: ['audit'],
    oidc: { issuer: ISSUER, subject: 'person', claims: { groups: 'audit', tid: 't1' } },
  },
  { name: 'pinned', rights: ['release'], certificate: { spkiSha256: 'ab'.repeat(32) } },
  { name: 'named', rights: ['audit'], certificate: { subject: { CN: 'audit', O: 'West' } } },
];
const access = createAccess(rules, createBearerVerifier({ issuers, jwks, clock }));

const claimsOf = (changes: object = {}) => ({
  ...{ iss: ISSUER, aud: 'vault', sub: 'worker', iat: NOW, nbf: NOW, exp: NOW + 300, ...changes },
});
const signed = (
  changes: object = {},
  header: object = {},
  signer: Parameters<SignJWT['sign']>[0] = rsa.privateKey,
) =>
  new SignJWT({ ...claimsOf(changes) })
    .setProtectedHeader({ alg: 'RS256', kid: 'r1', ...header })
    .sign(signer);
const identify = async (authorization?: string, certificate?: ClientCertificate) =>
  access.identify({ authorization, certificate }).then(({ name }) => name, codeOf);
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a bearer token', () => {
  test('is known by its digest, whatever the case of the scheme', async () => {
    expect(await identify(`Bearer ${TOKEN}`)).toBe('holder');
    expect(await identify(`bearer  ${TOKEN}`)).toBe('holder');
    for (const wrong of [
      TOKEN,
      `Basic ${TOKEN}`,
      `Bearer ${TOKEN}x`,
      'Bearer ',
      `Bearer a ${TOKEN}`,
    ]) {
      expect(await identify(wrong)).toBe('ERR_UNAUTHENTICATED');
    }
    expect(await identify()).toBe('ERR_UNAUTHENTICATED');
  });

  test('of an identity provider is known by issuer, subject and claims', async () => {
    expect(await identify(`Bearer ${await signed()}`)).toBe('worker');
    const byPss = await signed({}, { alg: 'PS256', kid: 'p1' });
    expect(await identify(`Bearer ${byPss}`)).toBe('worker');
    const byPkcs1 = await signed({}, { kid: 'p1' });
    expect(await identify(`Bearer ${byPkcs1}`)).toBe('ERR_UNAUTHENTICATED');
    expect(await identify(`Bearer ${await signed({}, { typ: 'at+jwt' })}`)).toBe('worker');
    expect(await identify(`Bearer ${await signed({ aud: ['x', 'vault'] })}`)).toBe('worker');
    expect(await identify(`Bearer ${await signed({}, { alg: 'PS256' })}`)).toBe('worker');
    const byEc = await signed({}, { alg: 'ES256', kid: 'e1' }, ec.privateKey);
    expect(await identify(`Bearer ${byEc}`)).toBe('worker');
    const person = { sub: 'person', tid: 't1', groups: ['a', 'audit'] };
    expect(await identify(`Bearer ${await signed(person)}`)).toBe('auditor');
    expect(await identify(`Bearer ${await signed({ ...person, groups: 'audit' })}`)).toBe(
      'auditor',
    );
  });

  const at = (seconds: number) => NOW + seconds;
  test.each<[string, object, object?]>([
    ['another issuer', { iss: 'https://evil.example' }],
    ['an issuer whose keys are no keys', { iss: 'https://other.example' }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'other' }],
    ['no audience', { aud: undefined }],
    ['a part of the audience', { aud: 'vaul' }],
    ['another subject', { sub: 'Worker' }],
    ['no subject', { sub: undefined }],
    ['a subject whose claims are missing', { sub: 'person' }],
    ['a claim with another value', { sub: 'person', groups: ['audits'], tid: 't1' }],
    ['an end in the past', { exp: at(-31), iat: at(-300), nbf: at(-300) }],
    ['no end', { exp: undefined }],
    ['a beginning in the future', { nbf: at(31) }],
    ['no time of issue', { iat: undefined }],
    ['an end that is text', { exp: String(at(300)) }],
    ['an unknown key id', {}, { kid: 'r2' }],
    ['no key id', {}, { kid: undefined }],
    ['another type', {}, { typ: 'logout+jwt' }],
  ])('with %s is refused', async (_name, claims, header) => {
    expect(await identify(`Bearer ${await signed(claims, header)}`)).toBe('ERR_UNAUTHENTICATED');
  });

  test('cannot choose its own way of being verified', async () => {
    const payload = part(claimsOf());
    const pem = String(rsa.publicKey.export({ format: 'pem', type: 'spki' }));
    const hmac = (header: object) => {
      const input = `${part(header)}.${payload}`;
      return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`;
    };
    const forged = await signed({}, {}, stranger.privateKey);
    const [, , signature] = forged.split('.');
    const tokens = [
      hmac({ alg: 'HS256', kid: 'r1' }),
      `${part({ alg: 'none', kid: 'r1' })}.${payload}.`,
      `${part({ alg: 'None', kid: 'r1' })}.${payload}.${signature}`,
      `${part({ alg: 'RS256', kid: 'e1' })}.${payload}.${signature}`,
      `${part({ alg: 'ES256', kid: 'r1' })}.${payload}.${signature}`,
      await signed({}, { jwk: stranger.publicKey.export({ format: 'jwk' }) }, stranger.privateKey),
      await signed({}, { crit: ['exp'] }).catch(() => 'crit'),
      forged,
      (await signed()).slice(0, -4),
      `${(await signed()).split('.').slice(0, 2).join('.')}.`,
      `${await signed()}.${signature}`,
      'a'.repeat(8_193),
    ];
    for (const token of tokens) {
      expect(await identify(`Bearer ${token}`)).toBe('ERR_UNAUTHENTICATED');
    }
  });

  test('is not believed while the keys of its issuer cannot be had', async () => {
    const silent = { keysOf: () => Promise.reject(new StrongroomError('ERR_SERVICE_UNREACHABLE')) };
    const verify = createBearerVerifier({ issuers, jwks: silent, clock });
    const token = await signed({ iss: 'https://other.example' });
    const asked = createAccess(rules, verify).identify({
      authorization: `Bearer ${token}`,
      certificate: undefined,
    });
    expect(await asked.catch(codeOf)).toBe('ERR_SERVICE_UNREACHABLE');
  });
});

describe('a client certificate', () => {
  const base: ClientCertificate = {
    spkiSha256: 'ab'.repeat(32),
    subject: { CN: 'someone' },
    trusted: false,
    current: true,
  };
  const subject = { CN: 'audit', O: 'West' };
  const other = { ...base, spkiSha256: 'cd'.repeat(32), trusted: true };

  test('is known by its key, or by its whole subject below a named authority', async () => {
    expect(await identify(undefined, base)).toBe('pinned');
    expect(await identify(undefined, { ...other, subject })).toBe('named');
    // Azure's client sends a token in any case.
    expect(await identify('Bearer whatever', base)).toBe('pinned');
  });

  test.each<[string, ClientCertificate]>([
    ['out of its validity', { ...base, current: false }],
    ['with another key', { ...base, spkiSha256: 'cd'.repeat(32) }],
    ['of no authority', { ...other, subject, trusted: false }],
    ['with less of a subject', { ...other, subject: { CN: 'audit' } }],
    ['with more of a subject', { ...other, subject: { ...subject, OU: 'x' } }],
    ['with another subject', { ...other, subject: { CN: 'audit', O: 'East' } }],
    ['with no subject', { ...other, subject: {} }],
  ])('%s is nobody, and a token beside it still counts', async (_name, certificate) => {
    expect(await identify(undefined, certificate)).toBe('ERR_UNAUTHENTICATED');
    expect(await identify(`Bearer ${TOKEN}`, certificate)).toBe('holder');
  });
});

test('each right is itself and no other, and rights of matching rules add up', async () => {
  for (const held of RIGHTS) {
    for (const wanted of RIGHTS) {
      const demanded = () => demandRight({ name: 'x', rights: [held] }, wanted);
      if (held === wanted) demanded();
      else expect(demanded).toThrow(expect.objectContaining({ code: 'ERR_RIGHT_MISSING' }));
    }
  }
  const tokenSha256 = sha256(TOKEN);
  const both = [
    { name: 'one', rights: ['release'] as const, tokenSha256 },
    { name: 'two', rights: ['audit'] as const, tokenSha256 },
  ];
  const verify = createBearerVerifier({ issuers, jwks, clock });
  const credentials = { authorization: `Bearer ${TOKEN}`, certificate: undefined };
  const caller = await createAccess(both, verify).identify(credentials);
  expect(caller).toEqual({ name: 'one', rights: ['release', 'audit'] });
});

test('a bucket empties, tells how long to wait, fills again, and is each caller’s own', () => {
  let now = 0;
  const monotonic = () => now;
  const limit = createRateLimit({ requestsPerSecond: 2, burst: 3, clock: { ...clock, monotonic } });
  const take = () => limit.take('a');
  expect([take(), take(), take(), take()]).toEqual([0, 0, 0, 1]);
  expect(limit.take('b')).toBe(0);
  now += 500;
  expect([take(), take()]).toEqual([0, 1]);
  now += 3_600_000;
  expect([take(), take(), take(), take()]).toEqual([0, 0, 0, 1]);
  now -= 10_000;
  expect(take()).toBe(1);
});
