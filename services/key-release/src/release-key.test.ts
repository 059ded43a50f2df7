import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from 'node:crypto';
import { DENY_ALL_POLICY } from '@strongroom/attestation/release-policy';
import { unwrapReleased } from '@strongroom/sealing/wrap';
import { compactVerify, importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { get } from '../test/get.ts';
import {
  createAuthority,
  encoded,
  ISSUER,
  policyFor,
  reportDataOf,
  runtimeClaims,
  workerClaims,
} from '../test/token.ts';
import { createTransportKey, startVault, type Vault } from '../test/vault.ts';

/** Azure's own client against the service, over TLS, from an empty folder to an opened key. */

const transport = createTransportKey();
const nobody = { exportable: true, releasePolicy: encoded(DENY_ALL_POLICY) };
const worker = { exportable: true, releasePolicy: encoded(policyFor('simulated')) };
let vault: Vault;

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated' });
});
afterAll(() => vault.stop());

const tokenOf = (changes: Record<string, unknown> = {}) =>
  vault.authority.token(workerClaims(transport.publicKey, changes));

describe('the order of life of a key', () => {
  test('RSA: created for nobody, then released under the policy of a contract', async () => {
    const admin = vault.client('administer');
    const made = await admin.createRsaKey('kek', { ...nobody, keySize: 3072 });
    const token = await tokenOf();
    expect(await refusal('kek', token)).toMatchObject({ code: 'ERR_POLICY_DENIED' });

    await admin.updateKeyProperties('kek', { releasePolicy: worker.releasePolicy });
    const { payload, opened } = await release('kek', token, { nonce: 'fresh-1' });
    expect(payload.request).toEqual({
      'api-version': '2025-07-01',
      enc: 'RSA_AES_KEY_WRAP_256',
      kid: `${vault.url}/keys/kek`,
      nonce: 'fresh-1',
    });
    const key = createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' });
    const { n } = createPublicKey(key).export({ format: 'jwk' });
    expect(n).toBe(Buffer.from(made.key?.n ?? []).toString('base64url'));
    expect(payload.response.key.key.n).toBe(n);
    expect(payload.response.key.key.kid).toBe(made.id);
  });

  test('symmetric: 32 random bytes that nobody but the worker has seen', async () => {
    const admin = vault.client('administer');
    const options = { ...worker, keySize: 256 };
    const made = await admin.createKey('state-share', 'oct', options);
    expect(made.key?.k).toBeUndefined();
    const first = await release('state-share', await tokenOf());
    const second = await release('state-share', await tokenOf());
    expect(first.opened).toHaveLength(32);
    expect(second.opened.equals(first.opened)).toBe(true);
    expect(second.payload.response.key.key.key_hsm).not.toBe(
      first.payload.response.key.key.key_hsm,
    );
  });

  test.each(['RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384', 'CKM_RSA_AES_KEY_WRAP'] as const)(
    'an imported key comes back as it was, wrapped by %s',
    async (algorithm) => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
      const { n, e, d, p, q, dp, dq, qi } = privateKey.export({ format: 'jwk' });
      const bytes = Object.entries({ n, e, d, p, q, dp, dq, qi }).map(([name, value]) => [
        name,
        Buffer.from(value ?? '', 'base64url'),
      ]);
      const jwk = { kty: 'RSA-HSM', ...Object.fromEntries(bytes) };
      await vault.client('administer').importKey('imported', jwk, worker);
      const { opened } = await release('imported', await tokenOf(), { algorithm });
      expect(opened.equals(privateKey.export({ format: 'der', type: 'pkcs8' }))).toBe(true);
    },
  );

  test('the answer is signed by the key that a contract pins, under a certificate', async () => {
    await vault.client('administer').createOctKey('signed', worker);
    const result = await vault.client('release').releaseKey('signed', await tokenOf());
    const { protectedHeader } = await verified(result.value);
    expect(protectedHeader).toMatchObject({ alg: 'RS256', typ: 'JWT' });
    const certificate = new X509Certificate(Buffer.from(protectedHeader.x5c?.[0] ?? '', 'base64'));
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    const pinned = await pinnedKey();
    expect(certificate.publicKey.export({ format: 'jwk' })).toMatchObject(pinned);
  });

  test('an older version stays releasable by its name, a deleted key does not', async () => {
    const admin = vault.client('administer');
    const old = await admin.createOctKey('rotated', worker);
    await admin.createOctKey('rotated', worker);
    const version = old.properties.version ?? '';
    const first = await release('rotated', await tokenOf(), { version });
    const newest = await release('rotated', await tokenOf());
    expect(first.opened.equals(newest.opened)).toBe(false);
    expect(first.payload.request.kid).toBe(`${vault.url}/keys/rotated/${version}`);
    await (await admin.beginDeleteKey('rotated')).pollUntilDone();
    expect(await refusal('rotated', await tokenOf())).toMatchObject({ code: 'ERR_KEY_NOT_FOUND' });
    expect(await refusal('rotated', await tokenOf(), version)).toMatchObject({ status: 404 });
  });
});

describe('refusals', () => {
  beforeAll(() => vault.client('administer').createOctKey('guarded', worker));

  test('a worker with other code learns that its measurement is the matter', async () => {
    const other = { 'x-ms-sevsnpvm-launchmeasurement': 'b2'.repeat(48) };
    const refused = await refusal('guarded', await tokenOf(other));
    expect(refused).toMatchObject({ status: 403, code: 'ERR_MEASUREMENT_MISMATCH' });
    expect(refused.message).toContain('x-ms-sevsnpvm-launchmeasurement');
  });

  test.each([
    ['x-ms-sevsnpvm-hostdata', 'd0'.repeat(32)],
    ['x-ms-sevsnpvm-hostdata', undefined],
  ])('a token whose %s is %j meets no policy', async (claim, value) => {
    const refused = await refusal('guarded', await tokenOf({ [claim]: value }));
    expect(refused).toMatchObject({ status: 403, code: 'ERR_POLICY_DENIED' });
    expect(refused.message).toContain(claim);
  });

  test('a token for another contract', async () => {
    const runtime = runtimeClaims(transport.publicKey, 'd0'.repeat(32));
    const claims = { 'x-ms-runtime': runtime, 'x-ms-sevsnpvm-reportdata': reportDataOf(runtime) };
    expect(await refusal('guarded', await tokenOf(claims))).toMatchObject({
      status: 403,
      code: 'ERR_POLICY_DENIED',
    });
  });

  test('the answer to a challenge, whose nonce a stranger chose, under any policy', async () => {
    const start = runtimeClaims(transport.publicKey);
    const purpose = 'strongroom/evidence/v1';
    const policy = policyFor('simulated');
    const careless = {
      ...policy,
      anyOf: policy.anyOf.map((entry) => ({
        ...entry,
        allOf: entry.allOf.filter(({ claim }) => claim !== 'x-ms-runtime.purpose'),
      })),
    };
    const options = { exportable: true, releasePolicy: encoded(careless) };
    await vault.client('administer').createOctKey('careless', options);
    for (const keys of [[start.keys[1]], start.keys]) {
      const runtime = { ...start, keys, purpose };
      const claims = { 'x-ms-runtime': runtime, 'x-ms-sevsnpvm-reportdata': reportDataOf(runtime) };
      const token = await tokenOf(claims);
      // What the worker says of itself is read before any policy is asked.
      expect(await refusal('guarded', token)).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
      expect(await refusal('careless', token)).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    }
  });

  test('a transport key that the report does not bind', async () => {
    const stranger = runtimeClaims(createTransportKey().publicKey);
    const relayed = await tokenOf({ 'x-ms-runtime': stranger });
    expect(await refusal('guarded', relayed)).toMatchObject({
      status: 403,
      code: 'ERR_REPORT_DATA_MISMATCH',
    });
  });

  test('a transport key of 2048 bits', async () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    const token = await vault.authority.token(workerClaims(small));
    expect(await refusal('guarded', token)).toMatchObject({
      status: 403,
      code: 'ERR_TOKEN_INVALID',
    });
  });

  test('a token that is half of one kind of platform and half of the other', async () => {
    const mixed = [
      { 'x-ms-attestation-type': ['sevsnpvm-simulated'] },
      { 'x-ms-attestation-type': 'sevsnpvm' },
      { 'x-ms-attestation-type': 'azurevm' },
      { 'x-strongroom-platform': 'amd' },
      { 'x-strongroom-platform': undefined },
    ];
    for (const claims of mixed) {
      expect(await refusal('guarded', await tokenOf(claims))).toMatchObject({
        status: 403,
        code: 'ERR_ROOT_KIND',
      });
    }
  });

  test('tokens that no authority of this owner signed, or that were changed', async () => {
    const claims = workerClaims(transport.publicKey);
    const [header, payload = '', signature] = (await tokenOf()).split('.');
    const changed = Buffer.from(payload, 'base64url').toString().replace('a1a1', 'a1a2');
    const tokens = [
      await createAuthority().token(claims),
      await vault.authority.token({ ...claims, iss: 'https://other.example' }),
      await vault.authority.token({ ...claims, iss: `${ISSUER}/` }),
      `${header}.${Buffer.from(changed).toString('base64url')}.${signature}`,
      `${header}.${payload}.`,
      await vault.authority.token({ ...claims, iat: 0, nbf: 0, exp: 1 }),
    ];
    for (const token of tokens) {
      expect(await refusal('guarded', token)).toMatchObject({
        status: 403,
        code: 'ERR_TOKEN_INVALID',
      });
    }
  });

  test('a key that is disabled, not yet or no longer valid, or may not leave', async () => {
    const admin = vault.client('administer');
    const hour = 3_600_000;
    await admin.createOctKey('off', { ...worker, enabled: false });
    await admin.createOctKey('early', { ...worker, notBefore: new Date(Date.now() + hour) });
    await admin.createOctKey('late', { ...worker, expiresOn: new Date(Date.now() - hour) });
    await admin.createOctKey('fixed');
    for (const name of ['off', 'early', 'late', 'fixed']) {
      expect(await refusal(name, await tokenOf())).toMatchObject({ code: 'ERR_KEY_DISABLED' });
    }
    await admin.updateKeyProperties('off', { enabled: true });
    expect((await release('off', await tokenOf())).opened).toHaveLength(32);
  });

  test('a policy for hardware refuses the simulator, whatever else it claims', async () => {
    const amd = { exportable: true, releasePolicy: encoded(policyFor('amd')) };
    await vault.client('administer').createOctKey('hardware', amd);
    const disguises = [
      {},
      { 'x-ms-sevsnpvm-is-debuggable': false },
      { 'x-ms-attestation-type': 'sevsnpvm', 'x-ms-sevsnpvm-is-debuggable': false },
      { 'x-strongroom-platform': 'amd', 'x-ms-attestation-type': 'sevsnpvm' },
      { 'x-strongroom-platform': undefined, 'x-ms-attestation-type': 'sevsnpvm' },
    ];
    for (const claims of disguises) {
      const refused = await refusal('hardware', await tokenOf(claims));
      expect(refused.status).toBe(403);
      expect(['ERR_POLICY_DENIED', 'ERR_ROOT_KIND']).toContain(refused.code);
    }
  });

  test('an authority for hardware is not believed about a simulated platform', async () => {
    const strict = await startVault();
    try {
      await strict.client('administer').createOctKey('guarded', worker);
      const token = await strict.authority.token(workerClaims(transport.publicKey));
      const client = strict.client('release');
      expect(await refusalOf(client.releaseKey('guarded', token))).toMatchObject({
        status: 403,
        code: 'ERR_ROOT_KIND',
      });
    } finally {
      await strict.stop();
    }
  });
});

const AnswerSchema = z.looseObject({
  request: z.looseObject({ kid: z.string() }),
  response: z.looseObject({
    key: z.looseObject({
      key: z.looseObject({ kid: z.string(), key_hsm: z.string(), n: z.string().optional() }),
    }),
  }),
});
const KeyHsmSchema = z.looseObject({
  schema_version: z.literal('1.0'),
  header: z.looseObject({ kid: z.string(), alg: z.literal('dir'), enc: z.string() }),
  ciphertext: z.string(),
});

async function release(
  name: string,
  token: string,
  options: NonNullable<Parameters<ReturnType<Vault['client']>['releaseKey']>[2]> = {},
) {
  const algorithm = options.algorithm ?? 'RSA_AES_KEY_WRAP_256';
  const client = vault.client('release');
  const { value } = await client.releaseKey(name, token, { ...options, algorithm });
  const { payload: bytes } = await verified(value);
  const payload = AnswerSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
  const text = Buffer.from(payload.response.key.key.key_hsm, 'base64url').toString();
  const ciphertext = Buffer.from(KeyHsmSchema.parse(JSON.parse(text)).ciphertext, 'base64url');
  const known = z.enum(['RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384', 'CKM_RSA_AES_KEY_WRAP']);
  const opened = unwrapReleased(ciphertext, transport.privateKey, known.parse(algorithm));
  return { payload, opened: Buffer.from(opened) };
}

async function pinnedKey() {
  const answer = z.looseObject({ releaseKey: z.looseObject({ kty: z.literal('RSA') }) });
  const { body } = await get(`${vault.url}/.well-known/strongroom`, vault.ca);
  return answer.parse(JSON.parse(body)).releaseKey;
}

async function verified(jws: string | undefined) {
  return compactVerify(jws ?? '', await importJWK(await pinnedKey(), 'RS256'));
}

function refusal(name: string, token: string, version?: string) {
  const options = version === undefined ? {} : { version };
  return refusalOf(vault.client('release').releaseKey(name, token, options));
}

const RestErrorSchema = z.looseObject({
  statusCode: z.number(),
  message: z.string(),
  details: z.looseObject({
    error: z.looseObject({ innerError: z.looseObject({ code: z.string() }) }),
  }),
});

async function refusalOf(call: Promise<unknown>) {
  const error = RestErrorSchema.parse(await call.catch((thrown: unknown) => thrown));
  const { statusCode: status, message, details } = error;
  return { status, message, code: details.error.innerError.code };
}
