import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { codeOf } from '@strongroom/protocol/errors';
import { PartyIdSchema, StreamIdSchema } from '@strongroom/protocol/fields';
import { LEASE_MS, type LeaseStep, LeaseStepSchema } from '@strongroom/protocol/lease';
import { streamOfText } from '@strongroom/protocol/partitioning';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import type { Departure } from '../../services/enclave-worker/src/vault/leases.ts';
import type { Vault } from '../../services/enclave-worker/src/vault/vault.ts';
import { type Computation, TestStream } from '../../services/enclave-worker/test/owners.ts';
import { ProvenVaults } from '../../services/enclave-worker/test/proven-vaults.ts';
import { createAuditLog } from '../../services/key-release/src/audit/audit-log.ts';
import {
  createLeaseStore,
  type Lease,
  type LeaseStore,
} from '../../services/key-release/src/leases/lease-store.ts';
import { readVersions } from '../../services/key-release/src/requester/versions.ts';
import { openDatabase } from '../../services/key-release/src/storage/database.ts';
import { thrown } from '../../services/key-release/test/key-store.ts';
import { agreeOnShares } from './sliced-world.ts';

/**
 * Two hosts that both take themselves for the worker of a slice: real vaults, and an owner's real
 * store of leases, by a clock that the test moves.
 */

const OWNER = PartyIdSchema.parse('owner-visits');
const folder = mkdtempSync(join(tmpdir(), 'slice-leases-'));
const database = openDatabase(folder);
let now = 0;
const clock = { now: () => 1_700_000_000_000 + now, monotonic: () => now };
let leases: LeaseStore;
let computation: Computation;
let records: readonly DoorRecord[];

beforeAll(async () => {
  const auditLog = createAuditLog(database, clock);
  leases = createLeaseStore(database, auditLog, clock, readVersions(auditLog.all()));
  computation = await agreeOnShares(true);
  const stream = new TestStream(computation, 'visits', StreamIdSchema.parse('gate-0'));
  const places = Array.from({ length: 20 }, (_none, n) => `place ${n}`);
  const own = places.filter((place) => streamOfText(new TextEncoder().encode(place), 2) === 0);
  const sealed = await stream.seal(own.map((place) => ({ place })));
  records = [sealed, await stream.manifest(null, true)];
}, 60_000);
afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const codeFrom = (work: Promise<unknown>) => work.then(() => 'accepted', codeOf);

async function statementOf(lease: Lease) {
  const statement = await computation.state({ ...lease, owner: OWNER });
  return { owner: OWNER, statement };
}

/** What a vault asks its owners for. */
function stepIn({ leaseStep = '' }: Departure): LeaseStep {
  const payload = decodeBase64url(leaseStep.split('.')[1] ?? '');
  return LeaseStepSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
}

class Host {
  readonly vault: Vault;
  readonly holder: string;
  readonly slice: number | undefined;

  private constructor(vault: Vault, slice: number | undefined) {
    this.vault = vault;
    this.slice = slice;
    this.holder = vault.claims().holder;
  }

  static async open(slice?: number): Promise<Host> {
    const vaults = new ProvenVaults(computation);
    return new Host(await vaults.open(slice === undefined ? {} : { slice }), slice);
  }

  /** @returns what its owner says of the lease that it has now */
  async acquire(): Promise<void> {
    const lease = leases.acquire(computation.contractId, this.holder, this.slice);
    await this.vault.leases.accept(await statementOf(lease));
  }

  /** Asks the owner, and lets leave what may. */
  async leave(departure: Departure): Promise<readonly DoorRecord[]> {
    const lease = leases.take(stepIn(departure), this.holder);
    return await this.vault.leases.depart([await statementOf(lease)]);
  }

  async count(): Promise<Departure> {
    const at = records.map((record, offset) => ({ ...record, offset, partition: 0 }));
    await this.vault.accept('visits', at);
    return (await this.vault.closeWindows()).departure;
  }
}

const textOf = (all: readonly DoorRecord[], type: string) =>
  all
    .filter(({ headers }) => headers['ce_type'] === type)
    .map(({ value }) => new TextDecoder().decode(value));

test('a host that slept while another took its slice over lets nothing leave', async () => {
  const asleep = await Host.open(0);
  await asleep.acquire();
  await asleep.vault.restore([]);
  const begun = await asleep.leave(await asleep.vault.announce());
  const step = await asleep.count();
  // It is paused behind its prepared step, before it asks; its lease ends meanwhile.
  const other = await Host.open(0);
  expect(await codeFrom(other.acquire())).toBe('ERR_LEASE_HELD');
  now += LEASE_MS;
  await other.acquire();
  const { seal = '' } = step.prepared?.headers ?? {};
  const prepared = [{ seal, value: step.prepared?.value ?? expect.fail('a prepared step') }];
  const restored = await other.vault.restore(textOf(begun, RECORD_TYPES.checkpoint), prepared);
  const left = await other.leave(restored.departure);
  expect(left.map(({ headers }) => headers['ce_type'])).toContain(RECORD_TYPES.partial);
  // It wakes up: neither the owner's refusal nor the word that the other one got moves it.
  expect(await codeFrom(asleep.leave(step))).toBe('ERR_LEASE_LOST');
  const current = leases.find(computation.contractId, 0);
  expect(current).toMatchObject({ holder: other.holder, slice: 0, epoch: restored.epoch });
  const words = [await statementOf(current)];
  expect(await codeFrom(asleep.vault.leases.depart(words))).toBe('ERR_LEASE_INVALID');
  // What the sleeper had prepared has left once, in its bytes, by the other's hand.
  await other.leave(await other.vault.announce());
  expect((await other.count()).records).toEqual([]);
  for (const { vault } of [asleep, other]) vault.close();
});

test('a lease of another slice, or of what merges, lets nothing of a slice leave', async () => {
  const [zero, one, final] = await Promise.all([Host.open(0), Host.open(1), Host.open()]);
  now += LEASE_MS;
  for (const { holder, slice } of [zero, one, final]) {
    leases.acquire(computation.contractId, holder, slice);
  }
  const ofSlice = (slice?: number) => leases.find(computation.contractId, slice);
  for (const [host, slice] of [
    [zero, 1],
    [zero, undefined],
    [final, 0],
  ] as const) {
    // As if the owner had granted it to this vault's key.
    const lie = { ...ofSlice(slice), holder: host.holder };
    const accepted = host.vault.leases.accept(await statementOf(lie));
    expect(await codeFrom(accepted)).toBe('ERR_LEASE_INVALID');
  }
  await one.vault.leases.accept(await statementOf(ofSlice(1)));
  await one.vault.restore([]);
  const departure = await one.vault.announce();
  expect(stepIn(departure)).toMatchObject({ slice: 1 });
  // A step is one of its slice at the owner's, too.
  const foreign = { ...stepIn(departure), slice: 0 };
  expect(thrown(() => leases.take(foreign, one.holder))).toBe('ERR_LEASE_LOST');
  expect((await one.leave(departure)).length).toBeGreaterThan(0);
  for (const { vault } of [zero, one, final]) vault.close();
});
