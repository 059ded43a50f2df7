import { StrongroomError } from '@strongroom/protocol/errors';
import { type AggregateSeal, sharedByParts } from '@strongroom/protocol/sealed-aggregate';

/** A part of a result, by its seal, and whatever belongs to it. */
interface Part {
  readonly seal: AggregateSeal;
}

/**
 * Puts the parts of results together. A worker writes those of one result for one reader behind
 * each other, so only one result waits at a time: a log that mixes them up takes no memory, and
 * none of them is told.
 */
export interface PartShelf<Item extends Part> {
  /**
   * @returns all parts of the result that this one completes; undefined while more have to come
   * @throws ERR_AGGREGATE_INCOMPLETE for a part without the one before it, which is passed over
   */
  add(part: Item): readonly Item[] | undefined;
  /** Results that another one has followed before they were whole; each is told once. */
  takeIncomplete(): readonly Incomplete<Item>[];
  /** Nothing more comes: what waits is incomplete. */
  end(): void;
}

interface Incomplete<Item> {
  readonly first: Item;
  readonly error: StrongroomError;
}

export function createPartShelf<Item extends Part>(): PartShelf<Item> {
  /** Parts 0 … of one result. */
  let waiting: Item[] = [];
  let incomplete: Incomplete<Item>[] = [];
  const giveUp = () => {
    const [first] = waiting;
    if (first) incomplete.push({ first, error: incompleteResult(first, waiting.length) });
    waiting = [];
  };

  return {
    add(part) {
      const { index, count } = part.seal.part;
      const isSame = waiting[0] !== undefined && isOfOne(waiting[0], part);
      if (index === 0) {
        // A worker that died while it told them tells them once more, from the first one on.
        if (isSame) waiting = [];
        else giveUp();
      } else if (!isSame || index > waiting.length) {
        throw incompleteResult(part, isSame ? waiting.length : 0);
      } else if (index < waiting.length) {
        return undefined;
      }
      waiting.push(part);
      if (waiting.length < count) return undefined;
      const whole = waiting;
      waiting = [];
      return whole;
    },
    takeIncomplete() {
      const taken = incomplete;
      incomplete = [];
      return taken;
    },
    end: giveUp,
  };
}

function isOfOne(one: Part, other: Part): boolean {
  return sharedByParts(one.seal) === sharedByParts(other.seal);
}

/** @param missing the first part that is not there */
function incompleteResult({ seal }: Part, missing: number): StrongroomError {
  const { query, emission, part } = seal;
  const problem = `part ${missing} of ${part.count} is missing`;
  return new StrongroomError('ERR_AGGREGATE_INCOMPLETE', { query, emission, problem });
}
