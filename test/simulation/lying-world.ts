import { setTimeout as delay } from 'node:timers/promises';
import { reportDataOf } from '@strongroom/attestation/binding';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { ContractSchema } from '@strongroom/protocol/contract';
import { codeOf, dispositionOf, type ErrorCode } from '@strongroom/protocol/errors';
import type { QueryId } from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import { aggregatesTopic, checkpointsTopic, datasetTopic } from '@strongroom/protocol/record';
import type { AggregateSeal } from '@strongroom/protocol/sealed-aggregate';
import type { LogEntry, LogRecord, RecordLog } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { createMetrics } from '@strongroom/runtime/metrics';
import { signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { type Lie, lyingLog } from '@strongroom/testkit/lying-log';
import { createMemoryLog, createMemoryStore, type MemoryLog } from '@strongroom/testkit/memory-log';
import { SignJWT } from 'jose';
import { expect } from 'vitest';
import { readAggregates } from '../../services/analyst/src/read-aggregates.ts';
import { EvidenceDesk } from '../../services/enclave-worker/src/evidence-desk.ts';
import type { WorkerOptions } from '../../services/enclave-worker/src/life.ts';
import { Tally } from '../../services/enclave-worker/src/tally.ts';
import type { VaultDoor } from '../../services/enclave-worker/src/vault-process.ts';
import { live } from '../../services/enclave-worker/src/worker.ts';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { startServices, type TestServices } from '../../services/enclave-worker/test/services.ts';
import { workerOptions } from '../../services/enclave-worker/test/worker-options.ts';
import { vaultInProcess } from './vault-in-process.ts';

/**
 * Two owners, the worker's real lives around a vault in this process, and the analyst's real
 * reader, over a memory log that may lie to each of them. What is true is known from the rows.
 */

const HOUR_MS = 3_600_000;
const HOURS = 4;
/** One for each hour, and one over all. */
export const RESULTS = HOURS + 1;
const PLACES = ['a', 'b', 'c'];
const VISITS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
  { name: 'weight', type: 'int64', nullable: false },
] as const;
const PLANS = ['north', 'south'].map((id) => ({
  id,
  relation: 'visits',
  columns: VISITS,
  eventTime: 'at',
}));
// The casts keep sums in 64 bits, which a test reads without a decimal library.
const SQL = `SELECT place, count(*) AS n, CAST(sum(weight) AS BIGINT) AS weight
  FROM visits GROUP BY place`;
const query = { sql: SQL, relations: ['visits'], latenessMs: 0 };
const QUERIES = [
  { ...query, id: 'hourly' as QueryId, window: { kind: 'tumbling' as const, sizeMs: HOUR_MS } },
  { ...query, id: 'all' as QueryId, window: { kind: 'whole' as const } },
];
const LARGE_QUERIES = QUERIES.map((each) =>
  each.id === 'all' ? { ...each, resultBytes: CIPHERTEXT_BYTES_MAX + 4_096 } : each,
);
export const BATCH_ROWS = 12;
const ROWS = 2 * HOURS * BATCH_ROWS;

/** What the owners have sealed, in the order in which a truthful log shows it. */
export type Published = ReadonlyMap<string, readonly LogRecord[]>;

/** One contract and all that was published for it. */
export interface Agreed {
  readonly computation: Computation;
  readonly published: Published;
  /** The same rows, one in a batch. */
  readonly fine: Published;
  /** The same parties' next contract. */
  readonly next: Agreed | undefined;
  topicOf(dataset: string): string;
  readonly aggregates: string;
  readonly checkpoints: string;
}

export interface Scene {
  /** Nobody keeps a lease. */
  readonly plain: Agreed;
  /** Every owner keeps one. */
  readonly leased: Agreed;
  /** Every owner keeps one, and has a ledger of uses; the result over all has two parts. */
  ledgered(): Promise<Agreed>;
  readonly services: TestServices;
  world(agreed: Agreed, published?: Published): Promise<World>;
  /** From now on services answer for this contract. */
  use(agreed: Agreed): TestServices;
  /** Half of the hours are told; the owners have published the rest meanwhile. */
  halfway(agreed: Agreed): Promise<World>;
  close(): Promise<void>;
}

export async function createScene(): Promise<Scene> {
  let current: Computation | undefined;
  const known = () => current ?? raise('no computation');
  const services = await startServices(known, (issuer, runtime) => mint(known(), issuer, runtime));
  const { url } = services;
  const plain = await publishFor(await agreeOn(PLANS, QUERIES, 1, url), true);
  const leased = await publishFor(await agreeOn(PLANS, QUERIES, 1, url, true), false);
  const use = (agreed: Agreed) => {
    current = agreed.computation;
    services.leases.reset();
    return services;
  };
  const worldOf = (agreed: Agreed, published = agreed.published) =>
    World.open(agreed, use(agreed), published);
  return {
    plain,
    leased,
    ledgered: async () =>
      publishFor(await agreeOn(PLANS, LARGE_QUERIES, 1, url, true, undefined, true), false),
    services,
    use,
    world: worldOf,
    halfway: async (agreed) => {
      const half = [...agreed.published].map(([id, records]) => [id, firstHalf(records)] as const);
      const world = await worldOf(agreed, new Map(half));
      await world.workUntil(HOURS / 2);
      for (const [id, records] of agreed.published) {
        await world.log.append(agreed.topicOf(id), records.slice(firstHalf(records).length));
      }
      return world;
    },
    close: () => services.close(),
  };
}

/** All but the final manifest, by halves. */
function firstHalf<Item>(records: readonly Item[]): readonly Item[] {
  return records.slice(0, (records.length - 1) / 2);
}

function raise(problem: string): never {
  throw new Error(problem);
}

/** A token of the authority that the contract names, for whoever asks. */
function mint({ contractId, authority }: Computation, issuer: string, runtime: unknown) {
  const reportData = reportDataOf(canonicalBytes(runtime));
  const now = Math.floor(systemClock.now() / 1_000);
  return new SignJWT({
    ...{ iss: issuer, iat: now, nbf: now, exp: now + 600, jti: 'token' },
    'x-ms-attestation-type': 'sevsnpvm-simulated',
    'x-strongroom-platform': 'simulated',
    'x-ms-sevsnpvm-launchmeasurement': '0'.repeat(96),
    'x-ms-sevsnpvm-hostdata': contractId,
    'x-ms-sevsnpvm-reportdata': Buffer.from(reportData).toString('hex'),
    'x-ms-runtime': runtime,
  })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .sign(authority);
}

async function publishFor(computation: Computation, withNext: boolean): Promise<Agreed> {
  const { contractId, contract } = computation;
  const topics = new Map(
    contract.datasets.map(({ id }) => [`${id}`, datasetTopic(contractId, id)]),
  );
  return {
    computation,
    published: await publishAll(computation, BATCH_ROWS),
    fine: await publishAll(computation, 1),
    next: withNext ? await publishFor(await nextContract(computation), false) : undefined,
    topicOf: (dataset) => topics.get(dataset) ?? raise('no such dataset'),
    aggregates: aggregatesTopic(contractId),
    checkpoints: checkpointsTopic(contractId),
  };
}

/** The same parties with the same keys agree again: another id, and nothing else. */
async function nextContract(computation: Computation): Promise<Computation> {
  const contract = ContractSchema.parse({ ...computation.contract, title: 'Another' });
  let signed: unknown = contract;
  for (const identity of computation.identities.values()) {
    signed = await signContract(signed as typeof contract, identity);
  }
  return {
    ...computation,
    ...(await verifyContract(signed)),
    signed: signed as Computation['signed'],
  };
}

async function publishAll(computation: Computation, batchRows: number): Promise<Published> {
  const published = new Map<string, readonly LogRecord[]>();
  for (const { id } of PLANS) {
    published.set(id, await publish(new TestStream(computation, id), rowsOf(id), batchRows));
  }
  return published;
}

/** A manifest at the end of each hour, and a final one. */
export async function publish(
  stream: TestStream,
  rows: readonly Row[],
  batchRows: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let at = 0; at < rows.length; at += batchRows) {
    records.push(await stream.seal(rows.slice(at, at + batchRows)));
    const sent = at + batchRows;
    if (sent % (ROWS / HOURS) === 0)
      records.push(await stream.manifest((sent * HOURS * HOUR_MS) / ROWS));
  }
  records.push(await stream.manifest(HOURS * HOUR_MS, true));
  return records;
}

/** Weights are powers of two within a window, so that a sum says which rows are in it. */
export function rowsOf(dataset: string): Row[] {
  const owner = dataset === 'north' ? 0 : 1;
  return Array.from({ length: ROWS }, (_none, row) => {
    const at = BigInt(Math.floor((row * HOURS * HOUR_MS) / ROWS)) * 1_000n;
    const bit = (row % (ROWS / HOURS)) * 2 + owner;
    return { at, place: PLACES[row % PLACES.length] ?? 'a', weight: 2n ** BigInt(bit) };
  });
}

/** By group: row count and the sum of the weights. */
export type Groups = ReadonlyMap<string, { readonly n: number; readonly weight: bigint }>;

export interface Told {
  readonly seal: AggregateSeal;
  readonly groups: Groups;
}

/** In plain loops, what is true of a window. */
function truthOf(window: AggregateSeal['window']): Groups {
  const truth = new Map<string, { n: number; weight: bigint }>();
  for (const { at, place, weight } of PLANS.flatMap(({ id }) => rowsOf(id))) {
    const ms = Number(at) / 1_000;
    if (window && (ms < window.start || ms >= window.end)) continue;
    const { n, weight: sum } = truth.get(String(place)) ?? { n: 0, weight: 0n };
    truth.set(String(place), { n: n + 1, weight: sum + BigInt(String(weight)) });
  }
  return truth;
}

/** Every result is true and told once, those of a query in their order and without a gap. */
export function expectTrueAndOnce(told: readonly Told[]): void {
  for (const { seal, groups } of told) expect(groups).toEqual(truthOf(seal.window));
  for (const { id } of QUERIES) {
    const seals = told.map(({ seal }) => seal).filter((seal) => seal.query === id);
    expect(seals.map(({ emission }) => emission)).toEqual(seals.map((_seal, index) => index));
    const starts = seals.map(({ window }) => window?.start ?? 0);
    expect(starts).toEqual(seals.map((_seal, index) => index * HOUR_MS));
  }
}

/** Ten times as many by night. */
export const SEEDS =
  process.env['STRONGROOM_LONG'] === '1'
    ? Array.from({ length: 10 }, (_none, index) => index + 1)
    : [1];

export interface WorkerRun {
  /** Why the last life ended; undefined when every query had emitted its last result. */
  readonly code: ErrorCode | undefined;
  readonly lives: number;
  readonly refusals: Readonly<Record<string, number>>;
}

export interface Reading {
  readonly told: readonly Told[];
  /** Codes of records that were passed over, and of the end. */
  readonly codes: readonly string[];
}

/** Lives are begun again after what may be better at the next attempt, without a pause. */
const LIVES_MAX = 3;
/** Nothing comes later from a log in memory. */
const QUIET_MS = 150;
const DEADLINE_MS = 60_000;

/** A log, wherever it is, with the worker and the reader of one contract. */
export abstract class Place {
  readonly agreed: Agreed;
  readonly services: TestServices;
  readonly #quietMs: number;

  /** @param quietMs after so long without a request to the vault, patience has ended */
  constructor(agreed: Agreed, services: TestServices, quietMs: number) {
    this.agreed = agreed;
    this.services = services;
    this.#quietMs = quietMs;
  }

  abstract connect(...lies: readonly Lie[]): Promise<RecordLog>;

  /** @param lies one list for each life; the last one goes on */
  async work(...lies: readonly (readonly Lie[])[]): Promise<WorkerRun> {
    const tally = new Tally(createMetrics('worker'));
    for (let lives = 1; ; lives += 1) {
      const told = lies[lives - 1] ?? lies.at(-1) ?? [];
      try {
        await live(this.#options(tally, told));
        return { code: undefined, lives, refusals: tally.refusals() };
      } catch (error) {
        const code = codeOf(error);
        if (code === undefined) throw error;
        const isFinal = dispositionOf(error) !== 'retry' || code === 'ERR_INPUT_INCOMPLETE';
        if (isFinal || lives >= LIVES_MAX) return { code, lives, refusals: tally.refusals() };
      }
    }
  }

  /** One life that is stopped gently once so many hours are told. */
  async workUntil(hours: number, ...lies: readonly Lie[]): Promise<void> {
    const stop = new AbortController();
    const tally = new Tally(createMetrics('worker'));
    const options = { untilComplete: false, signal: stop.signal };
    const { deadlineMs: _deadline, ...rest } = this.#options(tally, lies);
    const living = live({ ...rest, ...options });
    const watching = async () => {
      while (tally.windows < hours) await delay(5);
    };
    await Promise.race([living, watching()]);
    stop.abort();
    await living;
  }

  /** What the analyst opens and verifies, over a log that lies to it. */
  async read(...lies: readonly Lie[]): Promise<Reading> {
    const { contract, contractId, analyst: identity } = this.agreed.computation;
    const told: Told[] = [];
    const codes: string[] = [];
    const log = await this.connect(...lies);
    const roots = AMD_ROOTS;
    const options = { contract, contractId, identity, log, clock: systemClock, roots };
    try {
      for await (const reading of readAggregates(options)) {
        if (reading.kind === 'refused') codes.push(reading.code);
        if (reading.kind !== 'result') continue;
        const { seal, table } = reading.result;
        told.push({ seal, groups: groupsOf(table) });
      }
    } catch (error) {
      codes.push(codeOf(error) ?? raise(String(error)));
    } finally {
      await log.close();
    }
    return { told, codes };
  }

  #options(tally: Tally, lies: readonly Lie[]): WorkerOptions {
    const { door, clock } = watchedVault(this.#quietMs);
    return workerOptions(this.agreed.computation, this.services, {
      deadlineMs: DEADLINE_MS,
      startVault: async () => door,
      connectLog: () => this.connect(...lies),
      tally,
      evidence: new EvidenceDesk(systemClock, createMetrics('worker')),
      clock,
    });
  }
}

/** In memory, with all that was published on it. */
export class World extends Place {
  readonly store = createMemoryStore();
  readonly log: MemoryLog = createMemoryLog(this.store);

  static async open(agreed: Agreed, services: TestServices, published = agreed.published) {
    const world = new World(agreed, services, QUIET_MS);
    await publishOn(world.log, agreed, published);
    return world;
  }

  /** Another log with the same datasets, which is what an operator with two clusters has. */
  async fork({ withResults }: { readonly withResults: boolean }): Promise<World> {
    const fork = await World.open(this.agreed, this.services);
    for (const topic of [this.agreed.aggregates, this.agreed.checkpoints]) {
      await fork.log.createTopics([{ topic }]);
      if (withResults) await fork.log.append(topic, this.entries(topic));
    }
    return fork;
  }

  override async connect(...lies: readonly Lie[]): Promise<RecordLog> {
    return lyingLog(createMemoryLog(this.store), ...lies);
  }

  aggregates(): LogEntry[] {
    return this.entries(this.agreed.aggregates);
  }

  entries(topic: string): LogEntry[] {
    return this.log.entries(topic);
  }
}

export async function publishOn(log: RecordLog, agreed: Agreed, published: Published) {
  for (const [dataset, records] of published) {
    const topic = agreed.topicOf(dataset);
    await log.createTopics([{ topic }]);
    await log.append(topic, records);
  }
}

/** A clock on which patience ends as soon as the vault has been left alone for a moment. */
function watchedVault(quietMs: number) {
  const vault = vaultInProcess();
  let busy = 0;
  let lastAnswer = systemClock.monotonic();
  let jumped = 0;
  const door: VaultDoor = {
    ...vault,
    request: async (...request) => {
      busy += 1;
      try {
        return await vault.request(...request);
      } finally {
        busy -= 1;
        lastAnswer = systemClock.monotonic();
      }
    },
  };
  const clock = {
    now: systemClock.now,
    monotonic: () => {
      const now = systemClock.monotonic();
      if (busy === 0 && now - lastAnswer > quietMs) jumped = 2 * DEADLINE_MS;
      return now + jumped;
    },
  };
  return { door, clock };
}

function groupsOf(table: import('apache-arrow').Table): Groups {
  const column = (name: string) => table.getChild(name);
  return new Map(
    Array.from({ length: table.numRows }, (_none, row) => [
      String(column('place')?.get(row)),
      { n: Number(column('n')?.get(row)), weight: BigInt(column('weight')?.get(row)) },
    ]),
  );
}
