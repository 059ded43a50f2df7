import type { Contract, SignedContract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { consentsIn } from '@strongroom/sealing/amendment';
import type { ReadContract, VerifiedContract } from '@strongroom/sealing/verify';

/** The newest of a verified chain. */
export function predecessorIn(chain: readonly VerifiedContract[]): VerifiedContract {
  const newest = chain.at(-1);
  if (newest) return newest;
  throw new StrongroomError('ERR_USAGE', { problem: 'no contract file' });
}

/** Who has still to sign a contract, and who of the version before has to consent to it. */
export async function stateOf(
  file: SignedContract | undefined,
  signatures: ReadContract['signatures'],
  contract: Contract,
  before: VerifiedContract | undefined,
): Promise<{ facts: { missing: string[]; consents?: string[] }; lines: string[] }> {
  const signed = file ?? { payload: '', signatures: [] };
  const asked = before ? await consentsIn(signed, before.contract, contract) : [];
  const absent = (states: ReadContract['signatures']) =>
    states.filter(({ state }) => state !== 'valid').map(({ party }) => party);
  const waiting = absent(asked);
  const facts = {
    missing: absent(signatures),
    ...(waiting.length === 0 ? {} : { consents: waiting }),
  };
  const lines = [
    ...(facts.missing.length === 0 ? [] : [`still to be signed by: ${facts.missing.join(', ')}`]),
    ...(waiting.length === 0
      ? []
      : [`still to consent, with the key of the version before: ${waiting.join(', ')}`]),
  ];
  return { facts, lines: lines.length === 0 ? ['complete'] : lines };
}
