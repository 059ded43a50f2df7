import {
  type AmendmentProblem,
  amendmentProblemsIn,
  consentersOf,
} from '@strongroom/protocol/amendment';
import {
  CONSENT_JWS_TYPE,
  type Contract,
  type Party,
  type SignedContract,
  SignedContractSchema,
} from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { PartyId } from '@strongroom/protocol/fields';
import { type JwsCodes, signerOf, verifyCompact } from './compact-jws.ts';
import { type SignatureState, type VerifiedContract, verifyContract } from './signed-contract.ts';

/**
 * Versions of a contract: each names the one before and is signed by every party of both. A party
 * of the version before that left, or signs with another key from now on, gives its consent with
 * the key that the version before names.
 */

const CONSENT_CODES: JwsCodes = {
  malformed: 'ERR_CONTRACT_SIGNATURE_INVALID',
  algorithm: 'ERR_CONTRACT_SIGNATURE_INVALID',
  signature: 'ERR_CONTRACT_SIGNATURE_INVALID',
};

/**
 * Verifies that a signed contract follows another one.
 * @param before what `verifyContract` returned for the version before
 * @throws what `verifyContract` throws, ERR_AMENDMENT_REFUSED with the first place,
 *   ERR_CONTRACT_UNSIGNED with the parties of the version before whose consent is missing,
 *   ERR_CONTRACT_SIGNATURE_INVALID for a consent that does not hold or nobody asked for
 */
export async function verifyAmendment(
  signed: unknown,
  before: VerifiedContract,
): Promise<VerifiedContract> {
  const verified = await verifyContract(signed);
  demandFollowing(before, verified.contract);
  const file = SignedContractSchema.parse(signed);
  const states = await consentsIn(file, before.contract, verified.contract);
  const invalid = states.find(({ state }) => state === 'invalid');
  if (invalid) throw invalidSignature(invalid.party);
  const missing = states.filter(({ state }) => state === 'missing').map(({ party }) => party);
  if (missing.length > 0) throw new StrongroomError('ERR_CONTRACT_UNSIGNED', { missing });
  if ((file.consents ?? []).length !== states.length) throw invalidSignature('not asked for');
  return verified;
}

/** @throws ERR_CONTRACT_PREDECESSOR for another one, ERR_AMENDMENT_REFUSED with the first place */
export function demandFollowing(
  before: Pick<VerifiedContract, 'contract' | 'contractId'>,
  after: Contract,
): void {
  if (after.previous !== before.contractId) {
    const expected = after.previous ?? 'none: it is version 1';
    throw new StrongroomError('ERR_CONTRACT_PREDECESSOR', { expected, found: before.contractId });
  }
  const [first] = amendmentProblemsIn(before, after);
  if (first) throw refused(first);
}

function refused({ place, problem }: AmendmentProblem): StrongroomError {
  return new StrongroomError('ERR_AMENDMENT_REFUSED', { place, problem });
}

/** The consents that an amendment needs, and how each stands, in the order of the parties. */
export async function consentsIn(
  file: SignedContract,
  before: Contract,
  after: Contract,
): Promise<{ party: PartyId; state: SignatureState }[]> {
  return Promise.all(
    consentersOf(before, after).map(async (party) => ({
      party: party.id,
      state: await consentState(file, party),
    })),
  );
}

async function consentState(file: SignedContract, party: Party): Promise<SignatureState> {
  const own = (file.consents ?? []).filter((each) => signerOf(each.protected) === party.id);
  const [first, ...more] = own;
  if (!first) return 'missing';
  if (more.length > 0) return 'invalid';
  const jws = `${first.protected}.${file.payload}.${first.signature}`;
  const expected = { typ: CONSENT_JWS_TYPE, kid: party.id, key: party.signingKey };
  try {
    await verifyCompact(jws, expected, CONSENT_CODES);
    return 'valid';
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return 'invalid';
  }
}

/**
 * Verifies all versions of a contract, from the first to the newest.
 * @param files signed contracts, in any order
 * @returns them by version
 * @throws what `verifyAmendment` throws, ERR_CONTRACT_PREDECESSOR where one is missing,
 *   ERR_CONTRACT_FORKED where two follow one
 */
export async function verifyChain(files: readonly unknown[]): Promise<readonly VerifiedContract[]> {
  const each = await Promise.all(
    files.map(async (file) => ({ file, verified: await verifyContract(file) })),
  );
  each.sort((left, right) => left.verified.contract.version - right.verified.contract.version);
  const chain: VerifiedContract[] = [];
  for (const { file, verified } of each) {
    const before = chain.at(-1);
    if (before?.contractId === verified.contractId) continue;
    if (before) await demandNext(file, verified, before);
    else demandFirst(verified);
    chain.push(verified);
  }
  return chain;
}

function demandFirst({ contract }: VerifiedContract): void {
  if (contract.previous === undefined) return;
  throw new StrongroomError('ERR_CONTRACT_PREDECESSOR', { expected: contract.previous });
}

async function demandNext(file: unknown, { contract }: VerifiedContract, before: VerifiedContract) {
  const { version } = before.contract;
  if (contract.version === version) throw new StrongroomError('ERR_CONTRACT_FORKED', { version });
  await verifyAmendment(file, before);
}

/**
 * Whoever was shown an amendment does not go on under the version before. What is shown and does
 * not lead on from this contract is refused as well: nobody goes on in doubt.
 * @param amendments signed contracts that follow it, in any order
 * @throws ERR_CONTRACT_SUPERSEDED with the newest, what `verifyAmendment` throws
 */
export async function demandUnamended(
  signed: unknown,
  amendments: readonly unknown[],
): Promise<void> {
  if (amendments.length === 0) return;
  const start = await verifyContract(signed);
  const files = await Promise.all(
    amendments.map(async (file) => ({ file, verified: await verifyContract(file) })),
  );
  files.sort((left, right) => left.verified.contract.version - right.verified.contract.version);
  let newest = start;
  for (const { file, verified } of files) {
    if (verified.contractId === newest.contractId) continue;
    if (verified.contract.version < start.contract.version) continue;
    if (verified.contract.version === newest.contract.version) {
      const { version } = verified.contract;
      throw new StrongroomError('ERR_CONTRACT_FORKED', { version });
    }
    newest = await verifyAmendment(file, newest);
  }
  if (newest.contractId === start.contractId) return;
  throw superseded(start, newest.contractId, newest.contract.version);
}

function superseded({ contractId }: VerifiedContract, successor: string, version: number) {
  return new StrongroomError('ERR_CONTRACT_SUPERSEDED', {
    contract: contractId,
    successor,
    version,
  });
}

function invalidSignature(party: string): StrongroomError {
  return new StrongroomError('ERR_CONTRACT_SIGNATURE_INVALID', { party });
}
