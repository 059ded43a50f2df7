import type { AuditEntry } from '@strongroom/protocol/audit';
import type { LeaseFacts } from './facts.ts';

const STATES = {
  'lease-granted': 'held',
  'lease-ended': 'ended',
  'contract-revoked': 'revoked',
  'contract-superseded': 'superseded',
} as const;

/**
 * Where a contract's lease stands by what the service has written down: that of the worker that
 * tells results, where slices have theirs beside it. What ended it for good stays: no lease is
 * granted behind it.
 */
export function leaseOf(entries: readonly AuditEntry[], contractId: string): LeaseFacts {
  const own = entries.filter(
    ({ contract, slice, event }) =>
      contract === contractId && slice === undefined && event in STATES,
  );
  const lasting = own.find(({ event }) => /^contract-/.test(event));
  const newest = lasting ?? own.at(-1);
  const epochs = own.map(({ epoch }) => (typeof epoch === 'number' ? epoch : 0));
  const epoch = Math.max(0, ...epochs);
  if (!newest) return { state: 'none', epoch, at: null };
  const state = STATES[newest.event as keyof typeof STATES];
  const { successor } = newest;
  const follows = typeof successor === 'string' ? { successor } : {};
  return { state, epoch, at: newest.at, ...follows };
}
