import { type ChildProcess, fork } from 'node:child_process';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { amountOf, unitsOf } from '@strongroom/protocol/decimal';
import { DebitSchema } from '@strongroom/protocol/ledger';
import { seededRandom } from '@strongroom/testkit/seeded-random';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { COST, createLoad, type Load } from '../test/crash-load.ts';
import type { Death } from '../test/kill-points.ts';
import { exitCode } from '../test/program.ts';
import { prepareVault } from '../test/vault.ts';
import { createAuditLog } from './audit/audit-log.ts';
import { createLeaseStore } from './leases/lease-store.ts';
import { openLedger } from './ledger/ledger.ts';
import { readVersions } from './requester/versions.ts';
import { openDatabase } from './storage/database.ts';

/**
 * The service dies at every place between a request and its answer, under releases, changes of the
 * policy, debits and steps of a lease at the same time, and starts again on what it left.
 */

const LONG = process.env['STRONGROOM_LONG'] === '1';
const RANDOM_DEATHS = LONG ? 500 : 6;
/** Then a new folder, so that starts stay short. */
const DEATHS_A_FOLDER = 50;
const SEED = 4_711;
/** A random death comes within as many places: some 20 requests. */
const PLACES = 400;
const MS_A_DEATH = 20_000;
const MAIN = new URL('../test/main.dying.ts', import.meta.url);

/** Each is reached by the load, as the first test sees; a release passes all but the last two. */
const POINTS = [
  ...['request', 'before begin', 'after begin', 'before savepoint', 'after savepoint'],
  ...['after write to audit_log', 'after write to audit_nodes', 'before release', 'after release'],
  ...['before commit', 'after commit', 'before signature', 'after signature'],
  ...['after write to audit_heads', 'before answer', 'answered'],
  ...['after write to policies', 'after write to leases'],
];

let prepared: Awaited<ReturnType<typeof prepareVault>>;
let load: Load;
beforeEach(async () => {
  prepared = await prepareVault({ platform: 'simulated' });
  load = await createLoad(prepared.authority);
});
afterEach(() => prepared.remove());

async function start(death: Death) {
  const child = fork(MAIN, [JSON.stringify(death), ...prepared.args], {
    execArgv: ['--conditions=strongroom:source'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const points = new Set<string>();
  const url = await new Promise<string>((resolve, reject) => {
    child.on('message', (message: { url?: string; point?: string }) => {
      if (message.url !== undefined) resolve(message.url);
      if (message.point !== undefined) points.add(message.point);
    });
    child.on('exit', (code) => reject(new Error(`ended with ${code}`)));
  });
  return { child, url, points };
}

/** A service that is only stopped at the end. */
async function setUp(): Promise<void> {
  const { child, url } = await start({});
  await load.setUp({ ...prepared, url });
  child.kill('SIGTERM');
  expect(await exitCode(child)).toBe(0);
}

async function dieOnce(death: Death): Promise<void> {
  const { child, url } = await start(death);
  await runUntilDead(child, url);
  expect(child.signalCode).toBe('SIGKILL');
  checkWhatIsLeft();
}

async function runUntilDead(child: ChildProcess, url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  try {
    await load.run({ ...prepared, url }, agent);
    await exitCode(child);
  } finally {
    agent.destroy();
    child.kill('SIGKILL');
  }
}

/** Reads the folder as the next start does. */
function checkWhatIsLeft(): void {
  const database = openDatabase(join(prepared.folder, 'data'));
  try {
    const clock = { now: () => 0, monotonic: () => 0 };
    const log = createAuditLog(database, clock);
    const entries = log.read(0, log.verify().size);
    const { answered, lease, contractId } = load;
    for (const [index, entry] of answered.entries) expect(entries[index]).toBe(entry);
    const parsed = entries.map((entry) => JSON.parse(entry));
    checkPolicies(parsed);
    const debits = parsed.filter(({ event }) => event === 'budget-debited');
    const hours = debits.map(({ debit }) => DebitSchema.parse(debit).window?.start);
    expect(new Set(hours).size).toBe(debits.length);
    const [account] = openLedger(log, log.all(), readVersions(log.all())).accounts(contractId);
    const spent = unitsOf(COST) * BigInt(debits.length);
    expect(account?.spent['rho'] ?? '0').toBe(amountOf(spent));
    const { state, holder, to } = createLeaseStore(
      database,
      log,
      clock,
      readVersions(log.all()),
    ).find(contractId);
    expect([lease.known, lease.pending]).toContainEqual({ state, holder, to });
    Object.assign(lease, { known: { state, holder, to }, pending: undefined });
    checkGrants(parsed);
  } finally {
    database.close();
  }
}

type Entry = Readonly<Record<string, unknown>>;

/** What is released stood under the policy that was set last. */
function checkPolicies(entries: readonly Entry[]): void {
  let policy: unknown;
  for (const { event, policySha256 } of entries) {
    if (event === 'key-created' || event === 'key-updated') policy = policySha256;
    if (event === 'key-released') expect(policySha256).toBe(policy);
  }
}

/** One holder after the other: each lease was given back before the next was granted. */
function checkGrants(entries: readonly Entry[]): void {
  const line = entries.filter(({ event }) => String(event).startsWith('lease-'));
  line.forEach(({ event, epoch }, index) => {
    expect([event, epoch]).toEqual([
      index % 2 === 0 ? 'lease-granted' : 'lease-ended',
      Math.floor(index / 2) + 1,
    ]);
  });
}

test('killed at each place between request and answer, it has kept what it said', {
  timeout: (POINTS.length + 2) * MS_A_DEATH,
}, async () => {
  await setUp();
  const { child, url, points } = await start({});
  // The points of a debit may be passed before the first one is answered: both are waited for.
  const isReached = () =>
    POINTS.every((point) => points.has(point)) && load.answered.debits.size > 0;
  const killer = setInterval(() => {
    if (isReached()) child.kill('SIGKILL');
  }, 20);
  await runUntilDead(child, url).finally(() => clearInterval(killer));
  expect([...points]).toEqual(expect.arrayContaining(POINTS));
  expect(load.answered.debits.size).toBeGreaterThan(0);
  checkWhatIsLeft();
  // Not the first time: then others are under way.
  for (const at of POINTS) await dieOnce({ at, turn: 3 });
});

test.each(
  Array.from({ length: Math.ceil(RANDOM_DEATHS / DEATHS_A_FOLDER) }, (_, index) => SEED + index),
)(
  'killed at random places, it has kept what it said (seed %d)',
  {
    timeout: DEATHS_A_FOLDER * MS_A_DEATH,
  },
  async (seed) => {
    const random = seededRandom(seed);
    await setUp();
    for (let death = 0; death < Math.min(RANDOM_DEATHS, DEATHS_A_FOLDER); death += 1) {
      await dieOnce({ turn: 1 + random.below(PLACES) });
    }
  },
);
