import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnclaveSchema } from '@strongroom/protocol/contract';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reportDataOf } from '../binding.ts';
import { claimsOf } from '../claims.ts';
import { createSimulatedPlatform, measureImage, simulatedRoots } from '../insecure.ts';
import { verifyEvidence } from '../verify.ts';
import { claimTypeOf } from './claim-types.ts';
import { compileReleasePolicy } from './compile.ts';
import { evaluatePolicy } from './evaluate.ts';
import { releasePolicyFor } from './from-contract.ts';

/** Claims as the attestation service makes them from a report, not as a test imagines them. */

const CONTRACT = ContractIdSchema.parse('c0'.repeat(32));
const ISSUER = 'https://attest.example';
const IMAGE = [Buffer.from('the code that was agreed on')];

let folder: string;
let claims: Record<string, unknown>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'real-claims-'));
  const platform = await createSimulatedPlatform(folder, { products: ['Genoa'] });
  const worker = platform.launch({ image: IMAGE, hostData: Buffer.from(CONTRACT, 'hex') });
  const runtime = { contract: CONTRACT, nonce: 'n', purpose: 'strongroom/worker/v1' };
  const runtimeClaims = Buffer.from(JSON.stringify(runtime));
  const quote = await worker.quote(reportDataOf(runtimeClaims));
  const evidence = {
    report: Buffer.from(quote.report).toString('base64url'),
    certificateChain: quote.certificateChain,
    runtimeClaims: runtimeClaims.toString('base64url'),
  };
  const clock = { now: () => Date.now() };
  const verified = verifyEvidence(evidence, { roots: simulatedRoots(folder), clock });
  claims = { ...claimsOf(verified, runtimeClaims), iss: ISSUER };
});
afterAll(() => rm(folder, { recursive: true }));

function granted(changes: object): boolean {
  const enclave = EnclaveSchema.parse({
    platform: 'simulated',
    measurements: [{ name: 'build 1', sha384: measureImage(IMAGE) }],
    minimumTcb: {},
    authorities: [{ issuer: ISSUER, keys: [{ kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' }] }],
    ...changes,
  });
  const policy = JSON.stringify(releasePolicyFor({ enclave }, CONTRACT));
  return evaluatePolicy(compileReleasePolicy(policy), claims).granted;
}

test('every claim that a token carries has the type that it is declared with', () => {
  const types: string[] = [];
  const compare = (members: object, path: string) => {
    for (const [name, value] of Object.entries(members)) {
      if (typeof value === 'object') compare(value, `${path}${name}.`);
      else types.push(`${path}${name} ${typeof value === 'number' ? 'integer' : typeof value}`);
    }
  };
  compare(claims, '');
  const declared = types.map((line) => line.split(' ')[0] ?? '');
  expect(types).toEqual(declared.map((claim) => `${claim} ${claimTypeOf(claim)}`));
  expect(types.length).toBeGreaterThan(25);
});

test('a worker on the simulated platform meets the policy of its contract, and no other', () => {
  const floor = { bootLoader: 10, tee: 0, snp: 28, microcode: 86 };
  expect(granted({})).toBe(true);
  expect(granted({ minimumTcb: { Genoa: floor } })).toBe(true);
  expect(granted({ minimumTcb: { Genoa: { ...floor, snp: 29 } } })).toBe(false);
  expect(granted({ minimumTcb: { Turin: { ...floor, bootLoader: 0 } } })).toBe(false);
  expect(granted({ platform: 'amd' })).toBe(false);
  expect(granted({ measurements: [{ name: 'build 2', sha384: 'b2'.repeat(48) }] })).toBe(false);
});
