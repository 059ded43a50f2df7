import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { LEASE_MS, LEASE_NONCE_MS, LEASE_NONCES_MAX } from '@strongroom/protocol/lease';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAuditLog } from '../audit/audit-log.ts';
import { readVersions } from '../requester/versions.ts';
import { openDatabase } from '../storage/database.ts';
import { createNonces } from './lease-nonces.ts';
import { createLeaseStore, type LeaseStore } from './lease-store.ts';

const contract = ContractIdSchema.parse('c0'.repeat(32));
const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const genesis = hash(contract);

let now = 0;
let wall = 1_700_000_000_000;
const clock = { now: () => wall, monotonic: () => now };
let folder: string;
let database: DatabaseSync;
let store: LeaseStore;

function open() {
  database = openDatabase(folder);
  const auditLog = createAuditLog(database, clock);
  store = createLeaseStore(database, auditLog, clock, readVersions(auditLog.all()));
  return auditLog;
}

beforeEach(() => {
  now = 0;
  folder = mkdtempSync(join(tmpdir(), 'lease-store-'));
  open();
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const step = (from: string, to: string, epoch = 1) =>
  ({ v: 1, contract, from, to, epoch }) as const;
const refused = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return codeOf(error) ?? error;
  }
  return 'accepted';
};

describe('lease', () => {
  test('begins where nothing was computed', () => {
    expect(store.find(contract)).toMatchObject({ state: 'ended', epoch: 0, to: genesis });
    expect(store.acquire(contract, 'a')).toMatchObject({ state: 'held', holder: 'a', epoch: 1 });
  });

  test('goes from checkpoint to checkpoint, and nowhere else', () => {
    store.acquire(contract, 'a');
    store.take(step(genesis, hash('1')), 'a');
    const second = store.take(step(hash('1'), hash('2')), 'a');
    expect(second).toMatchObject({ from: hash('1'), to: hash('2') });
    expect(store.take(step(hash('1'), hash('2')), 'a')).toEqual(second);
    for (const fork of [
      step(hash('1'), hash('other')),
      step(genesis, hash('3')),
      step(hash('2'), hash('2')),
    ]) {
      expect(refused(() => store.take(fork, 'a'))).toBe('ERR_LEASE_FORKED');
    }
    expect(store.find(contract)).toEqual(second);
  });

  test('a clone gets none, and the word of a clone counts for nothing', () => {
    store.acquire(contract, 'a');
    expect(refused(() => store.acquire(contract, 'clone'))).toBe('ERR_LEASE_HELD');
    for (const act of [
      () => store.take(step(genesis, hash('1')), 'clone'),
      () => store.renew(contract, 'clone'),
      () => store.end(contract, 'clone'),
    ]) {
      expect(refused(act)).toBe('ERR_LEASE_LOST');
    }
    expect(store.find(contract)).toMatchObject({ holder: 'a', state: 'held', to: genesis });
  });

  test('who slept too long finds the lease ended, also when nobody else took it', () => {
    store.acquire(contract, 'a');
    now = LEASE_MS - 1;
    store.renew(contract, 'a');
    now += LEASE_MS - 1;
    expect(store.find(contract).state).toBe('held');
    now += 1;
    expect(refused(() => store.take(step(genesis, hash('1')), 'a'))).toBe('ERR_LEASE_LOST');
    expect(store.acquire(contract, 'b').epoch).toBe(2);
    expect(refused(() => store.renew(contract, 'a'))).toBe('ERR_LEASE_LOST');
  });

  test('of a slice is one of its own, and who slept past it loses it by its epoch', () => {
    store.acquire(contract, 'final');
    store.acquire(contract, 'zero', 0);
    expect(store.acquire(contract, 'one', 1)).toMatchObject({ slice: 1, epoch: 1, to: genesis });
    const own = (from: string, to: string) => ({ ...step(from, to), slice: 0 });
    store.take(own(genesis, hash('1')), 'zero');
    for (const holder of ['one', 'final']) {
      expect(refused(() => store.take(own(hash('1'), hash('2')), holder))).toBe('ERR_LEASE_LOST');
      expect(store.isHeldBy(contract, holder)).toBe(true);
    }
    expect(store.find(contract, 1)).toMatchObject({ to: genesis });
    now += LEASE_MS - 1;
    store.renew(contract, 'one', 1);
    now += 1;
    expect(store.acquire(contract, 'other', 0)).toMatchObject({ epoch: 2, to: hash('1') });
    for (const act of [
      () => store.take(own(hash('1'), hash('2')), 'zero'),
      () => store.renew(contract, 'zero', 0),
      () => store.end(contract, 'zero', 0),
    ]) {
      expect(refused(act)).toBe('ERR_LEASE_LOST');
    }
    database.close();
    open();
    expect(store.find(contract, 0)).toMatchObject({ holder: 'other', epoch: 2, slice: 0 });
    expect(store.isHeldBy(contract, 'zero')).toBe(false);
    store.revoke(contract);
    for (const slice of [undefined, 0, 1, 7]) {
      const acquire = () => store.acquire(contract, 'new', slice);
      expect(refused(acquire)).toBe('ERR_CONTRACT_REVOKED');
    }
    expect(store.isHeldBy(contract, 'other')).toBe(false);
  });

  test('the next holder repeats the newest step as it was, or goes on from its end', () => {
    store.acquire(contract, 'a');
    store.take(step(genesis, hash('1')), 'a');
    store.take(step(hash('1'), hash('2')), 'a');
    store.end(contract, 'a');
    store.acquire(contract, 'b');
    for (const fork of [
      step(genesis, hash('2b')),
      step(genesis, hash('1')),
      step(hash('1'), hash('2b')),
    ]) {
      expect(refused(() => store.take(fork, 'b'))).toBe('ERR_LEASE_FORKED');
    }
    expect(store.take(step(hash('1'), hash('2')), 'b')).toMatchObject({ to: hash('2') });
    expect(store.take(step(hash('2'), hash('3')), 'b')).toMatchObject({ to: hash('3') });
    expect(refused(() => store.take(step(hash('1'), hash('2')), 'b'))).toBe('ERR_LEASE_FORKED');
  });

  test('the epoch of results is below that of the next lease', () => {
    store.acquire(contract, 'a');
    store.take(step(genesis, hash('1'), 41), 'a');
    store.end(contract, 'a');
    expect(store.acquire(contract, 'b').epoch).toBe(42);
  });

  test('a revoked contract stays so, for its holder too', () => {
    store.acquire(contract, 'a');
    store.take(step(genesis, hash('1')), 'a');
    expect(store.revoke(contract)).toMatchObject({ state: 'revoked', to: hash('1') });
    store.revoke(contract);
    for (const act of [
      () => store.renew(contract, 'a'),
      () => store.take(step(hash('1'), hash('2')), 'a'),
      () => store.acquire(contract, 'b'),
    ]) {
      expect(refused(act)).toBe('ERR_CONTRACT_REVOKED');
    }
  });

  test('survives a restart of the service, which ends no lease early and none late', () => {
    store.acquire(contract, 'a');
    store.take(step(genesis, hash('1')), 'a');
    store.revoke(ContractIdSchema.parse('dd'.repeat(32)));
    database.close();
    now = 0;
    const auditLog = open();
    expect(auditLog.verify().size).toBe(2);
    expect(refused(() => store.acquire(contract, 'b'))).toBe('ERR_LEASE_HELD');
    expect(store.take(step(hash('1'), hash('2')), 'a').to).toBe(hash('2'));
    now = LEASE_MS;
    expect(store.acquire(contract, 'b')).toMatchObject({ epoch: 2, to: hash('2') });
  });

  test('a refused request leaves no trace in the row', () => {
    store.acquire(contract, 'a');
    const before = store.find(contract);
    refused(() => store.take(step(hash('x'), hash('y'), 99), 'a'));
    expect(store.find(contract)).toEqual(before);
  });
});

describe('faults', () => {
  const HOUR_MS = 3_600_000;

  test('a wall clock that jumps ends no lease and keeps none', () => {
    store.acquire(contract, 'a');
    for (const jump of [HOUR_MS, -2 * HOUR_MS, HOUR_MS]) {
      wall += jump;
      expect(refused(() => store.acquire(contract, 'b'))).toBe('ERR_LEASE_HELD');
      expect(refused(() => store.renew(contract, 'a'))).toBe('accepted');
    }
    now += LEASE_MS;
    wall -= HOUR_MS;
    expect(refused(() => store.renew(contract, 'a'))).toBe('ERR_LEASE_LOST');
    wall += HOUR_MS;
    expect(refused(() => store.acquire(contract, 'b'))).toBe('accepted');
  });

  test('while a frozen machine counts no time, nobody else gets the lease', () => {
    store.acquire(contract, 'a');
    store.take(step(genesis, hash('1')), 'a');
    wall += HOUR_MS;
    expect(refused(() => store.acquire(contract, 'b'))).toBe('ERR_LEASE_HELD');
    // It counts the hour at once: the lease is over, and its line goes on from the newest step.
    now += HOUR_MS;
    expect(refused(() => store.take(step(hash('1'), hash('2')), 'a'))).toBe('ERR_LEASE_LOST');
    store.acquire(contract, 'b');
    expect(store.take(step(hash('1'), hash('2')), 'b')).toMatchObject({ holder: 'b' });
  });

  test('a disk that is full gives nobody a lease and ends none, until there is room', () => {
    const auditLog = createAuditLog(database, clock);
    const other = ContractIdSchema.parse('c1'.repeat(32));
    store.acquire(contract, 'a');
    const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
    database.exec(`PRAGMA max_page_count = ${pages}`);
    const fill = () => refused(() => auditLog.append({ event: 'random-read' }));
    while (fill() === 'accepted') expect(auditLog.size()).toBeLessThan(10_000);
    const size = auditLog.size();
    expect(refused(() => store.end(contract, 'a'))).toBe('ERR_DISK_FULL');
    expect(refused(() => store.acquire(other, 'b'))).toBe('ERR_DISK_FULL');
    expect(refused(() => store.revoke(contract))).toBe('ERR_DISK_FULL');
    expect(store.find(contract)).toMatchObject({ state: 'held', holder: 'a' });
    expect(store.find(other)).toMatchObject({ state: 'ended', holder: null, epoch: 0 });
    expect(auditLog.size()).toBe(size);
    database.exec('PRAGMA max_page_count = 1000000');
    expect(store.acquire(other, 'b')).toMatchObject({ holder: 'b', epoch: 1 });
    expect(store.end(contract, 'a')).toMatchObject({ state: 'ended' });
    auditLog.verify();
  });
});

describe('any schedule of workers, clocks and restarts', () => {
  const holder = fc.constantFrom('a', 'b', 'c');
  const name = fc.integer({ min: 0, max: 3 }).map((number) => hash(`${number}`));
  const action = fc.oneof(
    fc.record({ kind: fc.constant('acquire' as const), holder }),
    fc.record({ kind: fc.constant('step' as const), holder, to: fc.nat() }),
    fc.record({ kind: fc.constant('stray' as const), holder, from: name, to: name }),
    fc.record({ kind: fc.constant('end' as const), holder }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: LEASE_MS }) }),
    fc.record({ kind: fc.constant('restart' as const) }),
  );

  test('makes one line of steps, each holder after the other', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        rmSync(folder, { recursive: true });
        database.close();
        folder = mkdtempSync(join(tmpdir(), 'lease-store-'));
        open();
        const steps: { from: string; to: string; holder: string; epoch: number }[] = [];
        for (const [index, each] of actions.entries()) {
          const before = store.find(contract);
          if (each.kind === 'wait') now += each.ms;
          if (each.kind === 'restart') {
            database.close();
            open();
          }
          if (each.kind === 'acquire') {
            const outcome = refused(() => store.acquire(contract, each.holder));
            expect(outcome).toBe(before.state === 'held' ? 'ERR_LEASE_HELD' : 'accepted');
          }
          if (each.kind === 'end') refused(() => store.end(contract, each.holder));
          if (each.kind !== 'step' && each.kind !== 'stray') continue;
          const from = each.kind === 'step' ? before.to : each.from;
          const to = each.kind === 'step' ? hash(`new ${index} ${each.to}`) : each.to;
          if (refused(() => store.take(step(from, to, 0), each.holder)) !== 'accepted') continue;
          expect(before).toMatchObject({ state: 'held', holder: each.holder });
          steps.push({ from, to, holder: each.holder, epoch: before.epoch });
        }
        for (const [index, next] of steps.entries()) {
          const before = steps[index - 1] ?? { from: genesis, to: genesis, holder: '', epoch: 0 };
          const isRepeated = next.from === before.from && next.to === before.to;
          expect(isRepeated || next.from === before.to).toBe(true);
          expect(next.epoch).toBeGreaterThanOrEqual(before.epoch);
          if (next.epoch === before.epoch) expect(next.holder).toBe(before.holder);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('nonces', () => {
  test('each is spent once, and for a minute', () => {
    const nonces = createNonces(clock);
    const [first, second, third] = [nonces.issue(), nonces.issue(), nonces.issue()];
    now = LEASE_NONCE_MS;
    nonces.spend(first);
    expect(refused(() => nonces.spend(first))).toBe('ERR_NONCE_SPENT');
    now += 1;
    expect(refused(() => nonces.spend(second))).toBe('ERR_NONCE_SPENT');
    now = 0;
    // Late is spent: a clock that goes back revives nothing.
    expect(refused(() => nonces.spend(second))).toBe('ERR_NONCE_SPENT');
    expect(refused(() => nonces.spend(third))).toBe('accepted');
    expect(refused(() => nonces.spend(undefined))).toBe('ERR_NONCE_SPENT');
  });

  test('a flood makes the oldest be forgotten, and memory stays flat', () => {
    const nonces = createNonces(clock);
    const first = nonces.issue();
    const kept = Array.from({ length: LEASE_NONCES_MAX }, () => nonces.issue());
    expect(refused(() => nonces.spend(first))).toBe('ERR_NONCE_SPENT');
    expect(refused(() => nonces.spend(kept[0]))).toBe('accepted');
  });
});
