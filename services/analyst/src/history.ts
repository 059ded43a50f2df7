import { createHash } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type AggregateSeal, sharedByParts } from '@strongroom/protocol/sealed-aggregate';
import type { StopNotice } from '@strongroom/protocol/stop-notice';

/**
 * What this reader has seen so far. The log may show results twice, but never leave one out, show
 * two for one place, or go back to an older worker: those are signs of a withheld result or of an
 * old branch of the computation. The end of the log cannot be told from a result that is withheld:
 * the next result shows it.
 */
export interface History {
  /** Whether the result that a verified seal is of has been taken before. */
  has(seal: AggregateSeal): boolean;
  /**
   * Takes a result, by the verified seal of any of its parts, as the next of its query.
   * @returns `repeated` for one that was taken before
   * @throws ERR_AGGREGATE_GAP when it leaves one out, differs from one seen, or goes back;
   *   ERR_CONTRACT_REVOKED after an owner has ended the contract, ERR_CONTRACT_SUPERSEDED after one
   *   has approved an amendment of it
   */
  admit(seal: AggregateSeal): 'new' | 'repeated';
  /**
   * Takes a verified notice: nothing new is believed behind it, whichever worker made it.
   * @returns `repeated` for a further one of the same worker
   */
  end(notice: StopNotice): 'new' | 'repeated';
}

export function createHistory(): History {
  /** Per query: the hash of what each emission's seals share, by emission number. */
  const emissions = new Map<string, string[]>();
  /** One start of a worker has one epoch and one attested key: a twin would show a second token. */
  const tokenOfEpoch = new Map<number, string>();
  let newestEpoch = 0;
  /** By the token of the worker that stopped. */
  const ends = new Map<string, StopNotice>();

  return {
    has: (seal) => emissions.get(seal.query)?.[seal.emission] === hashOf(seal),
    admit(seal) {
      const seen = emissions.get(seal.query) ?? [];
      const known = seen[seal.emission];
      const hash = hashOf(seal);
      if (known === hash) return 'repeated';
      for (const end of ends.values()) throw ended(seal, end);
      if (known !== undefined) throw gap(seal, 'two results for one place');
      if (seal.emission !== seen.length) throw gap(seal, `emission ${seen.length} is missing`);
      if (seal.epoch < newestEpoch) throw gap(seal, `epoch ${newestEpoch} was seen before`);
      const token = tokenOfEpoch.get(seal.epoch) ?? seal.token;
      if (token !== seal.token) throw gap(seal, 'two workers in one epoch');
      seen.push(hash);
      emissions.set(seal.query, seen);
      tokenOfEpoch.set(seal.epoch, token);
      newestEpoch = seal.epoch;
      return 'new';
    },
    end(notice) {
      if (ends.has(notice.token)) return 'repeated';
      ends.set(notice.token, notice);
      return 'new';
    },
  };
}

function hashOf(seal: AggregateSeal): string {
  return createHash('sha256').update(sharedByParts(seal)).digest('base64url');
}

function ended({ query, epoch, emission }: AggregateSeal, end: StopNotice): StrongroomError {
  const { stoppedBy: party, successor } = end;
  const facts = { query, epoch, emission, party };
  if (successor === undefined) return new StrongroomError('ERR_CONTRACT_REVOKED', facts);
  return new StrongroomError('ERR_CONTRACT_SUPERSEDED', { ...facts, successor });
}

function gap(seal: AggregateSeal, problem: string): StrongroomError {
  const { query, epoch, emission } = seal;
  return new StrongroomError('ERR_AGGREGATE_GAP', { query, epoch, emission, problem });
}
