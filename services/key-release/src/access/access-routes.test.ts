import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get } from '../../test/get.ts';
import { createCertificateAuthority } from '../../test/tls.ts';
import { createClient, startVault, type Vault } from '../../test/vault.ts';
import { RIGHTS, type Right, sha256 } from './access.ts';

/** Every caller at every route: who gets through is decided by the right and by nothing else. */

const ISSUER = 'https://login.example';
const provider = generateKeyPairSync('rsa', { modulusLength: 2048 });
const { kty, n, e } = provider.publicKey.export({ format: 'jwk' });
const authority = createCertificateAuthority();
const otherAuthority = createCertificateAuthority();
const DAY_MS = 86_400_000;
const certificates = {
  pinned: otherAuthority.issue('worker'),
  named: authority.issue('auditor'),
  stranger: authority.issue('stranger'),
  pretender: otherAuthority.issue('auditor'),
  expired: authority.issue('auditor', Date.now() - 3 * DAY_MS),
};
const spkiSha256 = sha256(
  new X509Certificate(certificates.pinned.cert).publicKey.export({ format: 'der', type: 'spki' }),
);
const access = {
  issuers: [{ issuer: ISSUER, audience: 'vault', keys: [{ kty, n, e }] }],
  certificateAuthorities: authority.ca,
  callers: [
    { name: 'person', rights: ['administer'], oidc: { issuer: ISSUER, subject: 'person' } },
    { name: 'pinned', rights: ['release'], certificate: { spkiSha256 } },
    { name: 'named', rights: ['audit'], certificate: { subject: { CN: 'auditor' } } },
  ],
};

const CONTRACT = 'c0'.repeat(32);
const ROUTES: readonly (readonly [Right, string, string])[] = [
  ['administer', 'GET', '/keys'],
  ['administer', 'GET', '/keys/none'],
  ['administer', 'GET', '/keys/none/versions'],
  ['administer', 'POST', '/keys/none/create'],
  ['administer', 'PUT', '/keys/none'],
  ['administer', 'PATCH', '/keys/none'],
  ['administer', 'DELETE', '/keys/none'],
  ['administer', 'POST', '/keys/none/rotate'],
  ['administer', 'GET', '/keys/none/rotationpolicy'],
  ['administer', 'PUT', '/keys/none/rotationpolicy'],
  ['administer', 'POST', '/keys/none/backup'],
  ['administer', 'POST', '/keys/restore'],
  ['administer', 'GET', '/deletedkeys'],
  ['administer', 'GET', '/deletedkeys/none'],
  ['administer', 'POST', '/deletedkeys/none/recover'],
  ['administer', 'DELETE', '/deletedkeys/none'],
  ['administer', 'POST', '/rng'],
  ['administer', 'POST', `/keys/none/${'0'.repeat(32)}/decrypt`],
  ['administer', 'GET', '/keys/none/attestation'],
  ['administer', 'PUT', `/contracts/${CONTRACT}`],
  ['administer', 'GET', `/contracts/${CONTRACT}`],
  ['administer', 'POST', `/leases/${CONTRACT}/revocation`],
  ['administer', 'PUT', `/ledger/${CONTRACT}/budgets`],
  ['audit', 'GET', '/audit/head'],
  ['audit', 'GET', '/audit/entries'],
  ['audit', 'GET', '/audit/heads'],
  ['audit', 'GET', '/audit/proof/inclusion?index=0'],
  ['audit', 'GET', '/audit/proof/consistency?first=0'],
  ['audit', 'GET', `/leases/${CONTRACT}`],
  ['audit', 'GET', `/leases/${CONTRACT}/slices/0`],
  ['audit', 'GET', `/ledger/${CONTRACT}`],
  ['release', 'POST', `/leases/${CONTRACT}/nonces`],
  ['release', 'POST', `/leases/${CONTRACT}/`],
  ['release', 'POST', `/leases/${CONTRACT}/steps`],
  ['release', 'POST', `/leases/${CONTRACT}/renewals`],
  ['release', 'POST', `/leases/${CONTRACT}/end`],
  ['release', 'POST', `/leases/${CONTRACT}/slices/0/nonces`],
  ['release', 'POST', `/leases/${CONTRACT}/slices/0/`],
  ['release', 'POST', `/leases/${CONTRACT}/slices/0/steps`],
  ['release', 'POST', `/leases/${CONTRACT}/slices/0/renewals`],
  ['release', 'POST', `/leases/${CONTRACT}/slices/0/end`],
  ['release', 'POST', `/ledger/${CONTRACT}/debits`],
  ['release', 'POST', '/keys/none/release'],
  ['release', 'POST', `/keys/none/${'0'.repeat(32)}/release`],
];

let vault: Vault;
beforeAll(async () => {
  vault = await startVault({ platform: 'simulated', access });
});
afterAll(() => vault.stop());

const signedBy = (changes: object = {}) => {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: ISSUER, aud: 'vault', sub: 'person', iat: now, exp: now + 60, ...changes };
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(provider.privateKey);
};
type Credentials = Parameters<typeof get>[2];
const ask = async (method: string, path: string, credentials: Credentials) => {
  const body = method === 'GET' || method === 'DELETE' ? {} : { body: '{}' };
  const answer = await get(`${vault.url}${path}`, vault.ca, { method, ...body, ...credentials });
  const code = JSON.parse(answer.body || '{}').error?.innererror?.code;
  return { status: answer.status, code, challenge: answer.headers['www-authenticate'] };
};

describe.each(ROUTES)('%s: %s %s', (wanted, method, path) => {
  const outcome = (held: Right) => (held === wanted ? 'through' : 'ERR_RIGHT_MISSING');
  const through = ({ status, code }: { status: number; code: unknown }) =>
    status === 403 && code === 'ERR_RIGHT_MISSING' ? code : status !== 401 && 'through';

  test.each(RIGHTS)('a token with the right %s', async (held) => {
    expect(through(await ask(method, path, { token: vault.tokens[held] }))).toBe(outcome(held));
  });

  test('a person by an identity provider, and callers by certificate', async () => {
    const token = await signedBy();
    expect(through(await ask(method, path, { token }))).toBe(outcome('administer'));
    for (const [name, held] of [['pinned', 'release'] as const, ['named', 'audit'] as const]) {
      const answer = await ask(method, path, { certificate: certificates[name] });
      expect(through(answer)).toBe(outcome(held));
    }
  });

  test('nobody, and whoever is nobody here, is challenged', async () => {
    const callers: Credentials[] = [
      {},
      { token: 'x'.repeat(43) },
      { token: await signedBy({ aud: 'other' }) },
      { token: await signedBy({ exp: 1_000_000_000, iat: 999_999_999 }) },
      { token: await signedBy({ sub: 'nobody' }) },
      { certificate: certificates.stranger },
      { certificate: certificates.pretender },
      { certificate: certificates.expired },
    ];
    for (const credentials of callers) {
      const answer = await ask(method, path, credentials);
      expect([answer.status, answer.code]).toEqual([401, 'ERR_UNAUTHENTICATED']);
      expect(answer.challenge).toMatch(/^Bearer authorization="https:.*", resource="https:/);
    }
  });
});

test('Azure’s client works with an identity provider’s token, and with a certificate', async () => {
  const person = createClient(vault.url, await signedBy(), vault.ca);
  await person.createOctKey('made');
  expect((await person.getKey('made')).name).toBe('made');
  const worker = createClient(vault.url, 'unused', vault.ca, certificates.pinned);
  const refused = await worker.releaseKey('made', 'no.attestation.token').catch((error) => error);
  expect(refused.details.error.innererror?.code ?? refused.details.error.innerError?.code).toBe(
    'ERR_TOKEN_INVALID',
  );
});

test('the log names who was refused what; a question without credentials is no entry', async () => {
  const before = (await vault.entries()).length;
  await ask('DELETE', '/keys/made', {});
  await ask('DELETE', '/keys/made', { token: 'x'.repeat(43) });
  await ask('DELETE', '/keys/made', { certificate: certificates.stranger });
  await ask('DELETE', '/keys/made', { certificate: certificates.pinned });
  await ask('PATCH', '/keys/a.b', { token: vault.tokens.administer });
  await ask('DELETE', '/keys/made', { token: await signedBy() });
  const entries = (await vault.entries()).slice(before);
  const refused = { event: 'request-refused', route: '/keys/:name', key: 'made' };
  expect(entries).toMatchObject([
    { ...refused, code: 'ERR_UNAUTHENTICATED' },
    { ...refused, code: 'ERR_UNAUTHENTICATED' },
    { ...refused, code: 'ERR_RIGHT_MISSING', caller: 'pinned' },
    { event: 'request-refused', code: 'ERR_REQUEST_INVALID', caller: 'admin-token-file-1' },
    { event: 'key-deleted', key: 'made', caller: 'person' },
  ]);
  expect(entries[3]).not.toHaveProperty('key');
});

test('a caller above its rate waits, others do not', async () => {
  const limited = await startVault({
    access: { ...access, rate: { requestsPerSecond: 0.001, burst: 5 } },
  });
  try {
    const asked = (token: string) => get(`${limited.url}/keys`, limited.ca, { token });
    for (let turn = 0; turn < 5; turn += 1) {
      expect((await asked(limited.tokens.administer)).status).toBe(200);
    }
    const answer = await asked(limited.tokens.administer);
    expect(answer.status).toBe(429);
    // A thousandth of a token comes back in each second of the five calls before.
    const seconds = Number(answer.headers['retry-after']);
    expect(seconds).toBeGreaterThan(900);
    expect(seconds).toBeLessThanOrEqual(1_000);
    expect(JSON.parse(answer.body).error).toMatchObject({
      code: 'Throttled',
      innererror: { code: 'ERR_RATE_LIMITED' },
    });
    expect((await asked(limited.tokens.audit)).status).toBe(403);
  } finally {
    await limited.stop();
  }
});
