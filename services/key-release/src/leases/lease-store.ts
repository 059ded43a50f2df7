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
 * on the disk before it is answered. When a lease ends is counted on the monotonic clock and kept
 * in memory: after a restart of the service each one is given its full time again, so that nobody
 * gets one early.
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
  /** Why it is `revoked`, where this owner has approved an amendment. */
  readonly successor?: ContractId;
};

export interface LeaseStore {
  /** Without any lease so far: `ended`, epoch 0, at the beginning. */
  find(contract: ContractId): Lease;
  /**
   * A new lease, of a higher epoch than any before.
   * @throws ERR_LEASE_HELD, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED
   */
  acquire(contract: ContractId, holder: string): Lease;
  /**
   * Compare and swap. Who asks the same again gets the same answer, a new holder too: a step that
   * was confirmed leaves as it was prepared, and another one from there is a fork.
   * @throws ERR_LEASE_LOST, ERR_LEASE_FORKED, ERR_CONTRACT_REVOKED,
   *   ERR_CONTRACT_SUPERSEDED
   */
  take(step: LeaseStep, holder: string): Lease;
  /** @throws ERR_LEASE_LOST, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED */
  renew(contract: ContractId, holder: string): Lease;
  /** @throws ERR_LEASE_LOST, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED */
  end(contract: ContractId, holder: string): Lease;
  /** For good, whoever holds it; one that was superseded is that already. */
  revoke(contract: ContractId): Lease;
}

export function createLeaseStore(
  database: DatabaseSync,
  auditLog: AuditLog,
  clock: Pick<Clock, 'monotonic'>,
  versions: Pick<Versions, 'successorOf'>,
): LeaseStore {
  const { read, store } = leaseRows(database);
  const stored = (contract: ContractId): Lease => {
    const successor = versions.successorOf(contract);
    const lease = read(contract);
    return successor === undefined ? lease : { ...lease, state: 'revoked', successor };
  };
  const deadlines = new Map<ContractId, number>();
  const extend = (contract: ContractId) => deadlines.set(contract, clock.monotonic() + LEASE_MS);
  const find = (contract: ContractId): Lease => {
    const lease = stored(contract);
    if (lease.state !== 'held') return lease;
    if (!deadlines.has(contract)) extend(contract);
    const isOver = clock.monotonic() >= (deadlines.get(contract) ?? 0);
    return isOver ? { ...lease, state: 'ended' } : lease;
  };
  const heldBy = (contract: ContractId, holder: string): Lease => {
    const lease = find(contract);
    if (lease.state === 'revoked') throw endedError(lease);
    if (lease.state === 'held' && lease.holder === holder) return lease;
    throw new StrongroomError('ERR_LEASE_LOST', { contract });
  };
  return {
    find,
    acquire: (contract, holder) =>
      transaction(database, () => {
        const before = find(contract);
        if (before.state === 'revoked') throw endedError(before);
        if (before.state === 'held') throw new StrongroomError('ERR_LEASE_HELD', { contract });
        const epoch = before.epoch + 1;
        auditLog.append({ event: 'lease-granted', contract, epoch, holder });
        extend(contract);
        return store({ ...before, state: 'held', holder, epoch });
      }),
    take: (step, holder) =>
      transaction(database, () => {
        const lease = stepped(heldBy(step.contract, holder), step);
        extend(step.contract);
        return store(lease);
      }),
    renew: (contract, holder) => {
      const lease = heldBy(contract, holder);
      extend(contract);
      return lease;
    },
    end: (contract, holder) =>
      transaction(database, () => {
        const lease = heldBy(contract, holder);
        auditLog.append({ event: 'lease-ended', contract, epoch: lease.epoch });
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

function leaseRows(database: DatabaseSync) {
  const select = database.prepare(
    'SELECT contract, state, holder, epoch, "from", "to" FROM leases WHERE contract = ?',
  );
  const replace = database.prepare(
    'INSERT OR REPLACE INTO leases (contract, state, holder, epoch, "from", "to") ' +
      'VALUES (?, ?, ?, ?, ?, ?)',
  );
  return {
    read: (contract: ContractId): Lease =>
      LeaseSchema.optional().parse(select.get(contract)) ?? beginningOf(contract),
    store: (lease: Lease): Lease => {
      const { contract, state, holder, epoch, from, to } = lease;
      replace.run(contract, state, holder, epoch, from, to);
      return lease;
    },
  };
}

function stepped(lease: Lease, { from, to, contract, epoch }: LeaseStep): Lease {
  const told = { ...lease, epoch: Math.max(lease.epoch, epoch) };
  const isRepeated = from === lease.from && to === lease.to && from !== to;
  if (isRepeated) return told;
  if (from !== lease.to || from === to) {
    throw new StrongroomError('ERR_LEASE_FORKED', { contract, epoch: lease.epoch });
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
