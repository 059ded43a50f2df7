import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  measureImage,
  type SimulatedPlatform,
  simulatedRoots,
} from '@strongroom/attestation/insecure';
import {
  openRevocation,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import { createTokenShelf } from '@strongroom/attestation/token-shelf';
import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import { createProof, proofBytes } from '@strongroom/protocol/attestation-proof';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type Contract, contractBytes, parseContract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { CLOCK_SKEW_SECONDS_MAX } from '@strongroom/protocol/limits';
import { startCertificateServer } from '@strongroom/testkit/certificate-server';
import { azureVmOf, evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { truthfulClaims } from '@strongroom/testkit/truthful-claims';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { createScene, DAY_MS } from '../test/scene.ts';

/** Who has to lie before a reader believes a forged result. */

const [A, B] = ['https://a.example', 'https://b.example'];
const [GOOD, EVIL] = [[new Uint8Array([1])], [new Uint8Array([2])]];
const authorities = new Map<string, { publicKey: KeyObject; privateKey: KeyObject }>(
  [A, B].map((issuer) => [issuer, generateKeyPairSync('ec', { namedCurve: 'P-256' })]),
);
let contract: Contract;
let platform: SimulatedPlatform;
let roots: RootSet;

beforeAll(async () => {
  const shared = await sharedTestPlatform();
  platform = shared.platform;
  roots = simulatedRoots(shared.folder);
  ({ contract } = await createScene());
}, 60_000);

const publicJwk = (key: KeyObject) => ({ ...key.export({ format: 'jwk' }) });

function agree(guards: object) {
  const agreed = parseContract({
    ...contract,
    enclave: {
      ...{ platform: 'simulated', minimumTcb: {} },
      measurements: [{ name: 'good', sha384: measureImage(GOOD) }],
      authorities: [...authorities].map(([issuer, { publicKey }]) => ({
        issuer,
        keys: [publicJwk(publicKey)],
      })),
      ...guards,
    },
  });
  const hash = createHash('sha256').update(contractBytes(agreed)).digest('hex');
  return { contract: agreed, contractId: ContractIdSchema.parse(hash) };
}

type Agreed = ReturnType<typeof agree>;

/** A started worker's evidence. */
function start({ contractId }: Agreed, image = GOOD, isVm = false): Promise<Evidence> {
  const transport = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
  const aggregates = generateKeyPairSync('ed25519').publicKey;
  const runtime = {
    contract: contractId,
    keys: [
      { ...publicJwk(transport), kid: 'transport', key_ops: ['encrypt'] },
      { ...publicJwk(aggregates), kid: 'aggregates', key_ops: ['verify'] },
    ],
    nonce: randomBytes(32).toString('base64url'),
    purpose: 'strongroom/worker/v1',
  };
  const guest = platform.launch({ image, hostData: Buffer.from(contractId, 'hex') });
  return evidenceOf(isVm ? azureVmOf(guest) : guest, canonicalBytes(runtime));
}

/** What an authority says truthfully of evidence, and then whatever it is told to say. */
async function tokenOf(issuer: string, evidence: Evidence, lies: object = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const times = { iat: now, nbf: now, exp: now + 600, jti: randomBytes(8).toString('hex') };
  const { privateKey } = authorities.get(issuer) ?? expect.fail('an authority');
  return new SignJWT({ iss: issuer, ...times, ...truthfulClaims(evidence, roots), ...lies })
    .setProtectedHeader({ alg: 'ES256' })
    .sign(privateKey);
}

/** The claims of other code but for the one that gives it away. */
const forged = (issuer: string, evidence: Evidence, lies: object = {}) =>
  tokenOf(issuer, evidence, { 'x-ms-sevsnpvm-launchmeasurement': measureImage(GOOD), ...lies });

async function read(
  agreed: Agreed,
  tokens: readonly string[],
  evidence?: Evidence,
  { trusted = roots, later = 0, lists = {} } = {},
): Promise<WorkerProof | string | undefined> {
  const clock = { now: () => Date.now() + later, monotonic: () => 0 };
  const options = { ...agreed, clock, roots: trusted };
  const revocation = await openRevocation(readRevocationSettings(lists), options);
  const shelf = createTokenShelf({ ...options, ...revocation });
  const bytes = proofBytes(createProof(tokens, evidence));
  await shelf.add(bytes);
  try {
    return shelf.proofOf(createHash('sha256').update(bytes).digest('hex'));
  } catch (error) {
    return codeOf(error);
  }
}

describe('two authorities that must agree', () => {
  test('vouch for a worker together, and neither alone', async () => {
    const agreed = agree({ agreement: 2 });
    const worker = await start(agreed);
    const tokens = [await tokenOf(A, worker), await tokenOf(B, worker)];
    expect(await read(agreed, tokens)).toMatchObject({ issuers: [A, B], isOwnVerified: false });
    for (const token of tokens) expect(await read(agreed, [token])).toBe('ERR_AGREEMENT_MISSING');
    const lies = { 'x-strongroom-agreeing-authorities': 2 };
    expect(await read(agreed, [await tokenOf(A, worker, lies)])).toBe('ERR_AGREEMENT_MISSING');
  });

  test('do not vouch for other code when one of them is honest', async () => {
    const agreed = agree({ agreement: 2 });
    const evil = await start(agreed, EVIL);
    const tokens = [await forged(A, evil), await tokenOf(B, evil)];
    expect(await read(agreed, tokens)).toBe('ERR_AGREEMENT_MISSING');
    const mixed = [await forged(A, evil), await tokenOf(B, await start(agreed))];
    expect(await read(agreed, mixed)).toBe('ERR_AGREEMENT_MISSING');
  });
});

describe('one authority', () => {
  test('says nothing about a worker of another contract', async () => {
    const agreed = agree({});
    const foreign = await start(agree({ agreement: 2 }));
    const lies = { 'x-ms-sevsnpvm-hostdata': agreed.contractId };
    expect(await read(agreed, [await tokenOf(A, foreign, lies)])).toBe('ERR_CONTRACT_MISMATCH');
  });

  test('names the code as the one says whose word counts', async () => {
    const agreed = agree({
      measurements: [
        { name: 'good', sha384: measureImage(GOOD) },
        { name: 'other', sha384: measureImage(EVIL) },
      ],
    });
    const worker = await start(agreed);
    const dropped = await tokenOf(A, worker, { 'x-ms-sevsnpvm-hostdata': 'ab'.repeat(32) });
    const counts = await tokenOf(B, worker, {
      'x-ms-sevsnpvm-launchmeasurement': measureImage(EVIL),
    });
    expect(await read(agreed, [dropped, counts])).toMatchObject({
      ...{ issuers: [B], measurementName: 'other' },
    });
  });

  test('that speaks of hardware does not speak of a simulated platform', async () => {
    const agreed = agree({});
    const lies = { 'x-ms-attestation-type': 'sevsnpvm', 'x-strongroom-platform': 'amd' };
    const told = await read(agreed, [await tokenOf(A, await start(agreed), lies)]);
    expect(told).toBe('ERR_ROOT_KIND');
  });

  test('is not believed about a moment at which its token was not valid', async () => {
    const agreed = agree({});
    const worker = await start(agreed);
    const now = Math.floor(Date.now() / 1_000);
    const at = async (skew: number) => {
      const times = { iat: now, nbf: now + skew, exp: now + skew + 600 };
      return read(agreed, [await tokenOf(A, worker, times)], undefined, { later: DAY_MS });
    };
    expect(await at(CLOCK_SKEW_SECONDS_MAX)).toMatchObject({
      ...{ issuers: [A], issuedAt: now * 1_000 },
    });
    expect(await at(CLOCK_SKEW_SECONDS_MAX + 1)).toBe('ERR_TOKEN_INVALID');
  });
});

describe('a reader that looks at the report itself', () => {
  test('believes what holds, also when the certificates have ended since', async () => {
    const agreed = agree({ agreement: 2, ownVerification: true });
    const worker = await start(agreed);
    const tokens = [await tokenOf(A, worker), await tokenOf(B, worker)];
    for (const later of [0, 400 * DAY_MS]) {
      const proof = await read(agreed, tokens, worker, { later });
      expect(proof).toMatchObject({
        issuers: [A, B],
        isOwnVerified: true,
        measurementName: 'good',
      });
    }
  });

  test('is not deceived by all authorities together', async () => {
    const agreed = agree({ agreement: 2, ownVerification: true });
    const evil = await start(agreed, EVIL);
    const lies = { 'x-strongroom-own-verification': 'accepted' };
    const tokens = [await forged(A, evil, lies), await forged(B, evil, lies)];
    expect(await read(agreed, tokens, evil)).toBe('ERR_MEASUREMENT_MISMATCH');
    expect(await read(agreed, tokens, await start(agreed))).toBe('ERR_REPORT_DATA_MISMATCH');
    expect(await read(agreed, tokens)).toBe('ERR_APPRAISAL_REFUSED');
  });

  test('holds the report to demands that no token shows', async () => {
    const agreed = agree({ ownVerification: true, killList: { products: ['Genoa'] } });
    const worker = await start(agreed);
    expect(await read(agreed, [await tokenOf(A, worker)], worker)).toBe('ERR_APPRAISAL_REFUSED');
  });

  test("takes a simulated machine for none of AMD's", async () => {
    const agreed = agree({ ownVerification: true });
    const worker = await start(agreed);
    const tokens = [await tokenOf(A, worker)];
    const code = await read(agreed, tokens, worker, { trusted: AMD_ROOTS });
    expect(['ERR_CERTIFICATE_CHAIN', 'ERR_ROOT_KIND']).toContain(code);
  });

  test('holds what a virtual TPM measured to the PCRs of the contract', async () => {
    const vmOf = (pcr: string) =>
      agree({
        ownVerification: true,
        measurements: [{ name: 'vm', sha384: measureImage(GOOD), pcrs: { 4: pcr } }],
      });
    for (const [pcr, outcome] of [
      [createHash('sha256').update('pcr 4').digest('hex'), { isOwnVerified: true }],
      ['aa'.repeat(32), 'ERR_MEASUREMENT_MISMATCH'],
    ] as const) {
      const agreed = vmOf(pcr);
      const worker = await start(agreed, GOOD, true);
      const told = await read(agreed, [await tokenOf(A, worker)], worker);
      if (typeof outcome === 'string') expect(told).toBe(outcome);
      else expect(told).toMatchObject(outcome);
    }
  });

  test('is told by a list what was revoked since, and refuses where one is missing', async () => {
    const agreed = agree({ ownVerification: true, revocationList: 'required' });
    const worker = await start(agreed);
    const tokens = [await tokenOf(A, worker)];
    const revoking = platform.revocationList('Genoa', { revoked: ['ask'] });
    const { certificateChain } = worker;
    const asked = async (list: Uint8Array | undefined, later = 0) => {
      const revocationLists = list ? { '/vcek/v1/Genoa/crl': list } : {};
      const server = await startCertificateServer({ certificateChain, revocationLists });
      const lists = { crl: 'optional', kds: server.origin };
      return read(agreed, tokens, worker, { later, lists }).finally(() => server.close());
    };
    expect(await read(agreed, tokens, worker)).toBe('ERR_APPRAISAL_REFUSED');
    expect(await asked(undefined)).toBe('ERR_APPRAISAL_REFUSED');
    expect(await asked(platform.revocationList('Genoa'))).toMatchObject({ isOwnVerified: true });
    expect(await asked(revoking)).toBe('ERR_CERTIFICATE_CHAIN');
    // The proof is an hour old by then, and the list is judged by the reader's time.
    expect(await asked(revoking, HOUR_MS)).toBe('ERR_CERTIFICATE_CHAIN');
  });
});

const HOUR_MS = 3_600_000;
