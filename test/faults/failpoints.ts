import { appendFileSync } from 'node:fs';
import process from 'node:process';

/**
 * Failpoints: named places of the worker and of its vault at which a process dies without warning,
 * before and after every wait on the way fetch, verify, compute, lease, send, commit. They lie
 * around what the two processes use (the vault's door, the log, HTTP, sockets, the vault's own
 * rooms) and are put there by `worker.dying.ts` and `vault.dying.ts`, which only tests start: the
 * sources know nothing of them, so that nobody can switch one on. That no entry of production
 * reaches this folder is what test/architecture/failpoints.test.ts shows.
 */
export interface Death {
  /** Where; at any place when absent. */
  readonly at?: string;
  /** The how manyth time, from 1. */
  readonly turn: number;
}

/** What a test tells a worker that dies. */
export interface DyingPlan {
  readonly worker?: Death;
  /** Of its vaults, one after the other; after them its own place counts. */
  readonly vaults?: readonly Death[];
  /** File with one line for every place, written when it is reached for the first time. */
  readonly reached?: string;
  /** File with one JSON line for every commit that was acknowledged. */
  readonly history?: string;
}

export type Reach = (place: string) => void;

/** @param told of every place once, when it is reached for the first time */
export function createReach(death: Death | undefined, told: (place: string) => void): Reach {
  const reached = new Map<string, number>();
  let total = 0;
  return (place) => {
    total += 1;
    const times = (reached.get(place) ?? 0) + 1;
    reached.set(place, times);
    if (times === 1) told(place);
    if (death === undefined) return;
    const turn = death.at === undefined ? total : death.at === place ? times : 0;
    if (turn !== death.turn) return;
    told(`died ${place}`);
    process.kill(process.pid, 'SIGKILL');
  };
}

/** Written at once, so that also what was reached just before a death is told. */
export function tellIn(file: string | undefined): (place: string) => void {
  return (place) => {
    if (file !== undefined) appendFileSync(file, `${place}\n`);
  };
}

/** Both sides of a wait. */
export async function around<Result>(
  reach: Reach,
  place: string,
  act: () => Promise<Result>,
): Promise<Result> {
  reach(`before ${place}`);
  const result = await act();
  reach(`after ${place}`);
  return result;
}

const bothSides = (prefix: string, names: readonly string[]) =>
  names.flatMap((name) => [`before ${prefix} ${name}`, `after ${prefix} ${name}`]);

/**
 * The one list: a run that is not disturbed reaches all of them, and a test kills a process at
 * each. An entry says that a place may not vanish unseen.
 */
export const FAILPOINTS: readonly string[] = [
  // The worker, outside in: what it asks of its vault, of the owners, of the log.
  ...bothSides('door', ['open', 'claims', 'proof', 'lease', 'release', 'restore', 'announce']),
  ...bothSides('door', ['accept', 'close', 'depart']),
  ...bothSides('http', ['attest', 'lease nonces', 'lease grant', 'lease steps', 'lease end']),
  ...bothSides('http', ['key release', 'lease renewals']),
  ...bothSides('log', ['connect', 'createTopics', 'endOffset', 'transaction', 'commit']),
  'after log read',
  // Inside of a transaction, request by request.
  ...bothSides('kafka', ['InitProducerId', 'AddPartitionsToTxn', 'Produce', 'EndTxn']),
  ...bothSides('kafka', ['Fetch', 'ListOffsets', 'Metadata', 'FindCoordinator']),
  // The vault: a request as a whole, and the waits within.
  ...bothSides('vault', ['open', 'claims', 'proof', 'lease', 'release', 'restore', 'announce']),
  ...bothSides('vault', ['accept', 'close', 'depart']),
  ...bothSides('vault', ['VaultKeys.acceptRelease', 'Leases.accept', 'Leases.hold']),
  ...bothSides('vault', ['Leases.depart', 'Computation.close', 'Computation.forget']),
  ...bothSides('vault', ['Aggregator.aggregate', 'RowStore.append', 'RowStore.countByStream']),
  ...bothSides('vault', ['RowStore.showWindow', 'CheckpointChain.seal']),
  ...bothSides('vault', ['Uses.seal', 'Steps.leave', 'Steps.resume', 'Aggregator.prepare']),
];

/** Places inside of the vault's process; all others are the worker's. */
export function isOfVault(place: string): boolean {
  return /^(before|after) vault /.test(place);
}
