import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { LEASE_MS, type LeaseStep } from '@strongroom/protocol/lease';
import type { Clock } from '@strongroom/runtime/clock';
import { z } from 'zod';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Versions } from '../requester/versions.ts';
import { transaction } from '../storage/database.ts';

/**
 * Who may let results of a contract leave, and from which checkpoint to which. One row a contract,
 * and one for each of its slices that was asked for, on the disk before it is answered. When a
 * lease ends is counted on the monotonic clock and kept in memory: after a restart of the service
 * each one is given its full time again, so that nobody gets one early.
 */
const LeaseSchema = z.strictObject({
  contract: ContractIdSchema,
  state: z.enum(['held', 'ended', 'revoked']),
  /** The key that signs the holder's results; null before the first lease. */
  holder: z.string().nullable(),
  epoch: z.int(),
  /** Both ends of the newest step. */
  from: z.string(),
  to: z.string(),
});
export type Lease = Readonly<z.infer<typeof LeaseSchema>> & {
  /** Absent: that of the worker that tells results. */
  readonly slice?: number;
  /** Why it is `revoked`, where this owner has approved an amendment. */
  readonly successor?: ContractId;
};

export interface LeaseStore {
  /** Without any lease so far: `ended`, epoch 0, at the beginning. */
  find(contract: ContractId, slice?: number): Lease;
  /** Whether it is the holder of any lease of the contract: of the one, or of a slice. */
  isHeldBy(contract: ContractId, holder: string): boolean;
  /**
   * A new lease, of a higher epoch than any before.
   * @throws ERR_LEASE_HELD, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED
   */
  acquire(contract: ContractId, holder: string, slice?: number): Lease;
  /**
   * Compare and swap. Who asks the same again gets the same answer, a new holder too: a step that
   * was confirmed leaves as it was prepared, and another one from there is a fork.
   * @throws ERR_LEASE_LOST, ERR_LEASE_FORKED, ERR_CONTRACT_REVOKED,
   *   ERR_CONTRACT_SUPERSEDED
   */
  take(step: LeaseStep, holder: string): Lease;
  /** @throws ERR_LEASE_LOST, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED */
  renew(contract: ContractId, holder: string, slice?: number): Lease;
  /** @throws ERR_LEASE_LOST, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED */
  end(contract: ContractId, holder: string, slice?: number): Lease;
  /** All of a contract, for good, whoever holds them; what was superseded is that already. */
  revoke(contract: ContractId): Lease;
}

export function createLeaseStore(
  database: DatabaseSync,
  auditLog: AuditLog,
  clock: Pick<Clock, 'monotonic'>,
  versions: Pick<Versions, 'successorOf'>,
): LeaseStore {
  const rows = leaseRows(database);
  const { store } = rows;
  const { stored, find, heldBy, isHeldBy, extend } = leaseTerms(rows, clock, versions);
  return {
    find,
    isHeldBy,
    acquire: (contract, holder, slice) =>
      transaction(database, () => {
        const before = find(contract, slice);
        const place = { contract, ...sliceIn(slice) };
        if (before.state === 'revoked') throw endedError(before);
        if (before.state === 'held') throw new StrongroomError('ERR_LEASE_HELD', place);
        const epoch = before.epoch + 1;
        auditLog.append({ event: 'lease-granted', ...place, epoch, holder });
        extend(contract, slice);
        return store({ ...before, state: 'held', holder, epoch });
      }),
    take: (step, holder) =>
      transaction(database, () => {
        const { contract, slice } = step;
        const lease = stepped(heldBy(contract, holder, slice), step);
        extend(contract, slice);
        return store(lease);
      }),
    renew: (contract, holder, slice) => {
      const lease = heldBy(contract, holder, slice);
      extend(contract, slice);
      return lease;
    },
    end: (contract, holder, slice) =>
      transaction(database, () => {
        const lease = heldBy(contract, holder, slice);
        const { epoch } = lease;
        auditLog.append({ event: 'lease-ended', contract, ...sliceIn(slice), epoch });
        return store({ ...lease, state: 'ended' });
      }),
    revoke: (contract) =>
      transaction(database, () => {
        const lease = stored(contract);
        if (lease.state === 'revoked') return lease;
        auditLog.append({ event: 'contract-revoked', contract, epoch: lease.epoch });
        return store({ ...lease, state: 'revoked' });
      }),
  };
}

/** Which leases there are now: by their rows, and by the clock. */
function leaseTerms(
  { read, slicesOf }: Pick<ReturnType<typeof leaseRows>, 'read' | 'slicesOf'>,
  clock: Pick<Clock, 'monotonic'>,
  versions: Pick<Versions, 'successorOf'>,
) {
  const stored = (contract: ContractId, slice?: number): Lease => {
    const successor = versions.successorOf(contract);
    const { state } = read(contract);
    const lease = read(contract, slice);
    if (successor !== undefined) return { ...lease, state: 'revoked', successor };
    return state === 'revoked' ? { ...lease, state } : lease;
  };
  const deadlines = new Map<string, number>();
  const extend = (contract: ContractId, slice?: number) =>
    deadlines.set(nameOf(contract, slice), clock.monotonic() + LEASE_MS);
  const find = (contract: ContractId, slice?: number): Lease => {
    const lease = stored(contract, slice);
    if (lease.state !== 'held') return lease;
    const name = nameOf(contract, slice);
    if (!deadlines.has(name)) extend(contract, slice);
    const isOver = clock.monotonic() >= (deadlines.get(name) ?? 0);
    return isOver ? { ...lease, state: 'ended' } : lease;
  };
  const isHolder = (lease: Lease, holder: string) =>
    lease.state === 'held' && lease.holder === holder;
  const heldBy = (contract: ContractId, holder: string, slice?: number): Lease => {
    const lease = find(contract, slice);
    if (lease.state === 'revoked') throw endedError(lease);
    if (isHolder(lease, holder)) return lease;
    throw new StrongroomError('ERR_LEASE_LOST', { contract, ...sliceIn(slice) });
  };
  const isHeldBy = (contract: ContractId, holder: string) =>
    [undefined, ...slicesOf(contract)].some((slice) => isHolder(find(contract, slice), holder));
  return { stored, find, heldBy, isHeldBy, extend };
}

/** What a row is called: by the contract's id, and of a slice by its number behind it. */
function nameOf(contract: ContractId, slice: number | undefined): string {
  return slice === undefined ? contract : `${contract}/${slice}`;
}

function sliceIn(slice: number | undefined): { readonly slice?: number } {
  return slice === undefined ? {} : { slice };
}

function leaseRows(database: DatabaseSync) {
  const select = database.prepare(
    'SELECT state, holder, epoch, "from", "to" FROM leases WHERE contract = ?',
  );
  const selectSlices = database.prepare(
    'SELECT contract AS name FROM leases WHERE contract GLOB ?',
  );
  const replace = database.prepare(
    'INSERT OR REPLACE INTO leases (contract, state, holder, epoch, "from", "to") ' +
      'VALUES (?, ?, ?, ?, ?, ?)',
  );
  return {
    read: (contract: ContractId, slice?: number): Lease => {
      const row = select.get(nameOf(contract, slice));
      const lease = row ? LeaseSchema.parse({ ...row, contract }) : beginningOf(contract);
      return { ...lease, ...sliceIn(slice) };
    },
    slicesOf: (contract: ContractId): number[] =>
      z
        .array(z.looseObject({ name: z.string() }))
        .parse(selectSlices.all(`${contract}/*`))
        .map(({ name }) => Number(name.slice(contract.length + 1))),
    store: (lease: Lease): Lease => {
      const { contract, slice, state, holder, epoch, from, to } = lease;
      replace.run(nameOf(contract, slice), state, holder, epoch, from, to);
      return lease;
    },
  };
}

function stepped(lease: Lease, { from, to, contract, slice, epoch }: LeaseStep): Lease {
  const told = { ...lease, epoch: Math.max(lease.epoch, epoch) };
  const isRepeated = from === lease.from && to === lease.to && from !== to;
  if (isRepeated) return told;
  if (from !== lease.to || from === to) {
    const at = { contract, ...sliceIn(slice), epoch: lease.epoch };
    throw new StrongroomError('ERR_LEASE_FORKED', at);
  }
  return { ...told, from, to };
}

/** Where the chain of checkpoints begins: with the hash of the contract's id. */
function beginningOf(contract: ContractId): Lease {
  const genesis = createHash('sha256').update(contract).digest('hex');
  return { contract, state: 'ended', holder: null, epoch: 0, from: genesis, to: genesis };
}

/** Of a lease that is `revoked`. */
export function endedError({ contract, successor }: Lease): StrongroomError {
  if (successor === undefined) return new StrongroomError('ERR_CONTRACT_REVOKED', { contract });
  return new StrongroomError('ERR_CONTRACT_SUPERSEDED', { contract, successor });
}
