import { basename } from 'node:path';
import { SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { printable } from '@strongroom/runtime/printable';
import { demandFollowing } from '@strongroom/sealing/amendment';
import { readContract, type VerifiedContract } from '@strongroom/sealing/verify';
import { type Change, changesBetween, EFFECT_TITLES } from '../amendment-diff.ts';
import { stateOf } from '../amendment-state.ts';
import { contractSections } from '../contract-text.ts';
import { errorFacts } from './error-facts.ts';
import type { AgreementFacts, AmendmentFacts, ChangeFacts } from './facts.ts';

/** What was agreed on, and what is about to change it, in the words of `contract review`. */
export async function agreementFacts(
  chain: readonly VerifiedContract[],
  newest: VerifiedContract,
  amendments: readonly string[],
  party: string,
): Promise<AgreementFacts> {
  const signatures = newest.signers.map((signer) => ({ party: signer, state: 'valid' as const }));
  const sections = contractSections(newest.contract, signatures).map(({ title, lines }) => ({
    title,
    lines: lines.map(printable),
  }));
  return {
    versions: chain.map(({ contract, contractId }) => ({ version: contract.version, contractId })),
    sections,
    amendments: await Promise.all(amendments.map((file) => amendmentFacts(file, newest, party))),
  };
}

/** Read anew each time: others may have signed meanwhile. */
async function amendmentFacts(
  path: string,
  before: VerifiedContract,
  party: string,
): Promise<AmendmentFacts> {
  const file = basename(path);
  try {
    const { contract, contractId, signatures } = await readContract(await readTextFile(path));
    demandFollowing(before, contract);
    const signed = SignedContractSchema.safeParse(await readJsonFile(path));
    const { facts } = await stateOf(signed.data, signatures, contract, before);
    const changes = changesBetween(before.contract, contract);
    return {
      ...{ file, contractId, version: contract.version, ...facts },
      changes: changes.map((change) => changeFacts(change, party)),
    };
  } catch (error) {
    if (error instanceof StrongroomError) return { file, error: errorFacts(error) };
    throw error;
  }
}

function changeFacts(change: Change, party: string): ChangeFacts {
  const { effect, text, detail, places, concerns, raw } = change;
  return {
    ...{ effect, title: EFFECT_TITLES[effect], text: printable(text) },
    detail: detail.map(printable),
    places: places.map(printable),
    isOwn: concerns === undefined || concerns.includes(party),
    isUnexplained: raw,
  };
}
