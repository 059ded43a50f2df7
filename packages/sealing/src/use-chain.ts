import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import {
  ownersWithUses,
  type UsePoint,
  type UseSeal,
  useGenesis,
} from '@strongroom/protocol/use-entry';
import { sha256Hex } from './digest.ts';

/**
 * One owner's ledger of uses, as far as it was read: every entry at its place. The log may show an
 * entry twice, but never leave one out, show two for one place, or go back to an older worker. The
 * end of the log cannot be told from an entry that is withheld: the next entry, or another owner's,
 * shows it.
 */
export class UseChain {
  readonly owner: PartyId;
  /** Who else has a ledger, in the contract's order. */
  readonly #others: readonly PartyId[];
  readonly #genesis: string;
  readonly #links: { readonly hash: string; readonly seal: UseSeal }[] = [];
  /** One start of a worker has one epoch and one attested key. */
  readonly #tokenOfEpoch = new Map<number, string>();
  readonly #named = new Map<PartyId, UsePoint>();

  constructor(contract: Contract, contractId: ContractId, owner: PartyId) {
    const owners = ownersWithUses(contract).map(({ id }) => id);
    this.owner = owner;
    this.#others = owners.filter((id) => id !== owner);
    this.#genesis = sha256Hex(useGenesis(contractId, owner));
  }

  get length(): number {
    return this.#links.length;
  }

  /** SHA-256 of the newest seal. */
  get head(): string {
    return this.#links.at(-1)?.hash ?? this.#genesis;
  }

  /** SHA-256 of the seal with this number. */
  hashAt(sequence: number): string | undefined {
    return this.#links[sequence]?.hash;
  }

  /** What each entry says of another owner's chain; an entry without a word of it has none. */
  *saidOf(owner: PartyId): Generator<{ readonly sequence: number; readonly point: UsePoint }> {
    for (const { seal } of this.#links) {
      const point = seal.heads.find((each) => each.owner === owner);
      if (point && point.sequences > 0) yield { sequence: seal.sequence, point };
    }
  }

  /**
   * Takes a verified seal as the next one.
   * @param jws the seal as it was signed
   * @returns `repeated` for one that was seen before, byte by byte
   * @throws ERR_USES_BROKEN with the first sequence number that is wrong
   */
  admit(seal: UseSeal, jws: string): 'new' | 'repeated' {
    const hash = sha256Hex(jws);
    if (this.hashAt(seal.sequence) === hash) return 'repeated';
    const problem = this.#problemWith(seal);
    if (problem !== undefined) {
      const sequence = Math.min(seal.sequence, this.length);
      throw new StrongroomError('ERR_USES_BROKEN', { party: this.owner, sequence, problem });
    }
    this.#links.push({ hash, seal });
    this.#tokenOfEpoch.set(seal.epoch, seal.token);
    for (const point of seal.heads) this.#named.set(point.owner, point);
    return 'new';
  }

  #problemWith(seal: UseSeal): string | undefined {
    const last = this.#links.at(-1)?.seal;
    if (seal.sequence < this.length) return 'two entries for one place';
    if (seal.sequence > this.length) return 'an entry is missing';
    if (seal.previous !== this.head) return 'the entry before it is another one';
    if (last && seal.epoch < last.epoch) return 'an older worker';
    if (last && seal.checkpoint <= last.checkpoint) return 'an older checkpoint';
    const token = this.#tokenOfEpoch.get(seal.epoch) ?? seal.token;
    if (token !== seal.token) return 'two workers in one epoch';
    const names = seal.heads.map(({ owner }) => owner);
    if (names.join() !== this.#others.join()) return 'it does not name every other owner';
    if (seal.heads.some((point) => this.#contradicts(point))) return "another owner's chain forked";
    return undefined;
  }

  /** Chains of others only grow, and do not change. */
  #contradicts({ owner, sequences, head }: UsePoint): boolean {
    const known = this.#named.get(owner);
    if (!known) return false;
    return sequences < known.sequences || (sequences === known.sequences && head !== known.head);
  }
}

/** What a comparison of two chains that agree showed. */
export interface UseComparison {
  /** Places at which one speaks of the other. */
  readonly agreements: number;
  /** Entries of theirs that mine names and their copy does not have: it is older, or cut off. */
  readonly missingInTheirs: number;
}

/**
 * Compares what an owner reads with what another one has read, or with its own earlier copy. Theirs
 * was copied before mine was read.
 * @throws ERR_USES_DIVERGED with the first entry that does not fit, and whose it is
 */
export function compareUses(mine: UseChain, theirs: UseChain): UseComparison {
  if (mine.owner === theirs.owner) return compareCopies(mine, theirs);
  let agreements = 0;
  let named = 0;
  for (const { sequence, point } of mine.saidOf(theirs.owner)) {
    const hash = theirs.hashAt(point.sequences - 1);
    named = Math.max(named, point.sequences);
    if (hash === undefined) continue;
    if (hash !== point.head) throw diverged(mine, sequence, 'it names another history of theirs');
    agreements += 1;
  }
  for (const { sequence, point } of theirs.saidOf(mine.owner)) {
    const hash = mine.hashAt(point.sequences - 1);
    if (hash === undefined) {
      throw diverged(mine, mine.length, 'an entry that they have seen named is withheld');
    }
    if (hash !== point.head) throw diverged(theirs, sequence, 'it names another history of yours');
    agreements += 1;
  }
  return { agreements, missingInTheirs: Math.max(0, named - theirs.length) };
}

function compareCopies(mine: UseChain, earlier: UseChain): UseComparison {
  for (let sequence = 0; sequence < earlier.length; sequence += 1) {
    if (mine.hashAt(sequence) === earlier.hashAt(sequence)) continue;
    throw diverged(mine, sequence, 'it was another one, or there, in the earlier copy');
  }
  return { agreements: earlier.length, missingInTheirs: 0 };
}

function diverged({ owner }: UseChain, sequence: number, problem: string): StrongroomError {
  return new StrongroomError('ERR_USES_DIVERGED', { party: owner, sequence, problem });
}
