import { parseProof } from '@strongroom/protocol/attestation-proof';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { quarantineId } from '@strongroom/protocol/quarantine-entry';
import {
  aggregatesTopic,
  checkpointsTopic,
  quarantineTopic,
  RECORD_TYPES,
  usesTopic,
} from '@strongroom/protocol/record';
import type { LogEntry } from '@strongroom/record-log/log';
import { claimedQuarantine, openQuarantine } from '@strongroom/sealing/open-quarantine';
import { createMemoryLog, type MemoryLog } from '@strongroom/testkit/memory-log';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { payloadOf } from '../test/leases.ts';
import { agreeOn, type Computation } from '../test/owners.ts';
import { startServices, type TestServices } from '../test/services.ts';
import { logger } from '../test/worker-options.ts';
import {
  World as AgreedWorld,
  HOUR_MS,
  PLANS,
  QUERIES,
  rejection,
  rowsOf,
  until,
} from '../test/world.ts';
import { runWorker } from './lives.ts';
import type { DoorVerbs } from './vault/door.ts';
import { startVault, type VaultDoor } from './vault-process.ts';

let services: TestServices;
let computation: Computation;
let plain: Computation;
let leased: Computation;
let told: Computation;

beforeAll(async () => {
  services = await startServices(() => computation);
  plain = await agreeOn(PLANS, QUERIES, 1, services.url);
  leased = await agreeOn(PLANS, QUERIES, 1, services.url, true);
  told = await agreeOn(PLANS, QUERIES, 1, services.url, false, undefined, true);
  computation = plain;
}, 60_000);
afterAll(() => services.close());

/** Of what is agreed to in the test that runs. */
class World extends AgreedWorld {
  constructor() {
    super(computation, services);
  }
}

describe('a worker', () => {
  test('counts what is there, emits once, and sets bad records aside', async () => {
    const world = new World();
    await world.publish('north', rowsOf(4, 20), 0);
    const topic = world.topicOf('north');
    const [first] = world.entries(topic);
    if (first) await world.log.append(topic, [first, { ...first, key: 'other' }]);
    await world.publish('north', [], 4 * HOUR_MS, true);
    await world.publish('south', rowsOf(4, 10), 4 * HOUR_MS, true);
    const summary = await runWorker(world.options());
    expect(summary).toMatchObject({ rowsCounted: 120, windows: 5, aggregates: 5, done: true });
    expect(summary.refusals).toEqual({ ERR_BATCH_REPLAYED: 1, ERR_RECORD_HEADERS: 1 });
    expect(world.results('all')).toEqual(['analyst.0.0']);
    expect(world.results('hourly')).toEqual([0, 1, 2, 3].map((n) => `analyst.0.${n}`));
    const announced = world.entries(aggregatesTopic(computation.contractId));
    // A key of each dataset and a share of each owner.
    const receipts = announced.filter(({ key }) => key === RECORD_TYPES.receipt);
    expect(receipts.map(({ headers }) => headers['ce_id']).sort()).toEqual([
      'owner-north.3',
      'owner-north.3',
      'owner-south.3',
      'owner-south.3',
    ]);
    const { token, receipt } = RECORD_TYPES;
    const types = announced.map((entry) => entry.headers['ce_type']);
    expect(types.slice(0, 5)).toEqual([token, receipt, receipt, receipt, receipt]);
    expect(checkpoints(world)).toBe(2);
  });

  test('reads again what came so early that there was no room for it', async () => {
    const world = new World();
    const topic = world.topicOf('north');
    await world.log.createTopics([{ topic }]);
    const stream = world.streams.get('north') ?? expect.fail('a stream');
    const sealed = [];
    for (const row of rowsOf(1, 200)) sealed.push(await stream.seal([row]));
    await world.log.append(topic, [...sealed].reverse());
    await world.log.append(topic, [await stream.manifest(HOUR_MS, true)]);
    await world.publish('south', [], HOUR_MS, true);
    const summary = await runWorker(world.options());
    expect(summary).toMatchObject({ rowsCounted: 200, done: true });
  });

  test('reads again what was folded, as often as an owner takes a batch back', async () => {
    const world = new World();
    const topic = world.topicOf('north');
    await world.log.createTopics([{ topic }]);
    const stream = world.streams.get('north') ?? expect.fail('a stream');
    const inHourFive = rowsOf(6, 3).slice(15);
    const [one, other] = [await stream.seal(inHourFive), await stream.seal(inHourFive)];
    await world.log.append(topic, [one, other]);
    await world.publish('north', rowsOf(1, 10), HOUR_MS);
    await world.publish('south', [], HOUR_MS);
    const running = runWorker(world.options());
    await until(() => world.results('hourly').length === 1);
    await world.log.append(topic, [await stream.retract(0, one)]);
    for (const dataset of ['north', 'south']) await world.publish(dataset, [], 2 * HOUR_MS);
    await until(() => world.results('hourly').length === 2);
    await world.log.append(topic, [await stream.retract(1, other)]);
    await world.publish('north', rowsOf(6, 4).slice(20), 6 * HOUR_MS, true);
    await world.publish('south', [], 6 * HOUR_MS, true);
    const summary = await running;
    expect(summary).toMatchObject({ rowsCounted: 20, windows: 7, done: true, refusals: {} });
  });

  test('waits for owners that come later, and stops gently when told to', async () => {
    const world = new World();
    await world.publish('north', rowsOf(2, 20), 2 * HOUR_MS, true);
    const stopping = new AbortController();
    const running = runWorker(world.options({ untilComplete: false, signal: stopping.signal }));
    await world.publish('south', rowsOf(2, 20), HOUR_MS);
    await until(() => world.results('hourly').length === 1);
    stopping.abort();
    expect(await running).toMatchObject({ rowsCounted: 80, windows: 1, done: false });
    await world.publish('south', [], 2 * HOUR_MS, true);
    const summary = await runWorker(world.options());
    expect(summary).toMatchObject({ rowsCounted: 80, windows: 2, epoch: 1, done: true });
    expect(world.results('hourly')).toEqual(['analyst.0.0', 'analyst.1.1']);
  });

  test('a vault that is killed is started again and nothing is told twice', async () => {
    const world = new World();
    await world.publish('north', rowsOf(3, 20), 3 * HOUR_MS, true);
    await world.publish('south', rowsOf(1, 20), HOUR_MS);
    const pids: number[] = [];
    const options = world.options({
      startVault: async () => {
        const vault = await startVault({ logger, deadlineMs: 20_000 });
        pids.push(vault.pid);
        return vault;
      },
    });
    const running = runWorker(options);
    await until(() => world.results('hourly').length === 1);
    process.kill(pids[0] ?? expect.fail('a vault'), 'SIGKILL');
    await world.publish('south', rowsOf(3, 20).slice(20), 3 * HOUR_MS, true);
    expect(await running).toMatchObject({ rowsCounted: 120, done: true });
    expect(pids.length).toBe(2);
    expect(world.results('hourly')).toEqual(['analyst.0.0', 'analyst.1.1', 'analyst.1.2']);
    expect(world.results('all')).toEqual(['analyst.1.0']);
  });

  test.each(['before', 'after'] as const)('a commit whose answer is lost %s it', async (when) => {
    const world = new World();
    await world.publish('north', rowsOf(2, 20), 2 * HOUR_MS, true);
    await world.publish('south', rowsOf(2, 20), 2 * HOUR_MS, true);
    let writers = 0;
    const connectLog = async () => {
      const log = createMemoryLog(world.store);
      const plain = log.transaction.bind(log);
      // Of the first results: two commits announce the epoch, and one prepares them.
      const failing = failFourthCommit(log, when);
      const transaction = (id: string) => {
        writers += 1;
        return writers === 1 ? failing(id) : plain(id);
      };
      return Object.assign(log, { transaction });
    };
    expect(await runWorker(world.options({ connectLog }))).toMatchObject({ done: true });
    expect(writers).toBe(2);
    expect(world.results('hourly')).toEqual(['analyst.0.0', 'analyst.0.1']);
    expect(world.results('all')).toEqual(['analyst.0.0']);
  });

  test('a truncated stream is refused at the end, and nothing of it was told', async () => {
    const world = new World();
    await world.publish('north', rowsOf(3, 20), 3 * HOUR_MS, true);
    await world.publish('south', rowsOf(3, 20), 3 * HOUR_MS, true);
    const cut = new World();
    for (const id of ['north', 'south']) {
      const topic = world.topicOf(id);
      await cut.log.createTopics([{ topic }]);
      const kept = world.entries(topic).filter((_entry, index) => id === 'north' || index !== 4);
      await cut.log.append(topic, kept);
    }
    const failed = runWorker(cut.options({ deadlineMs: 30_000 }));
    expect(await rejection(failed)).toBe('ERR_STREAM_TRUNCATED');
    expect([...cut.results('all'), ...cut.results('hourly')]).toEqual([]);
  });

  test('owners that never finish are named at the deadline', async () => {
    const world = new World();
    await world.publish('north', rowsOf(1, 10), HOUR_MS, true);
    const failed = runWorker(world.options({ deadlineMs: 1_500 }));
    expect(await rejection(failed)).toBe('ERR_INPUT_INCOMPLETE');
  });

  test.each([
    [/keys\/kek-south/, 403, 'ERR_MEASUREMENT_MISMATCH'],
    [/keys\/state-share/, 403, 'ERR_POLICY_DENIED'],
    [/keys\/kek-north/, 404, 'ERR_KEY_NOT_FOUND'],
  ] as const)('a refusal at %s ends with its code', async (path, status, code) => {
    services.refuse = { path, status, code };
    try {
      expect(await rejection(runWorker(new World().options()))).toBe(code);
    } finally {
      services.refuse = undefined;
    }
  });

  test('a second worker takes over, and the first one stops', async () => {
    const world = new World();
    await world.publish('north', rowsOf(2, 20), 2 * HOUR_MS, true);
    await world.publish('south', rowsOf(1, 20), HOUR_MS);
    const older = runWorker(world.options());
    await until(() => world.results('hourly').length === 1);
    const newer = runWorker(world.options());
    const ended = rejection(older);
    await until(() => checkpoints(world) >= 3);
    await world.publish('south', rowsOf(2, 20).slice(20), 2 * HOUR_MS, true);
    expect(await newer).toMatchObject({ done: true, epoch: 1 });
    expect(await ended).toBe('ERR_LOG_FENCED');
    expect(world.results('all')).toEqual(['analyst.1.0']);
  });
});

describe('a worker whose owners keep leases', () => {
  beforeEach(() => {
    computation = leased;
    services.leases.reset();
  });
  afterEach(() => {
    computation = plain;
  });

  const publishAll = async (world: World) => {
    await world.publish('north', rowsOf(2, 20), 2 * HOUR_MS, true);
    await world.publish('south', rowsOf(1, 20), HOUR_MS);
  };
  const publishRest = (world: World) =>
    world.publish('south', rowsOf(2, 20).slice(20), 2 * HOUR_MS, true);

  test('runs to the end, each step with their word, and gives the lease back', async () => {
    const world = new World();
    await publishAll(world);
    await publishRest(world);
    expect(await runWorker(world.options())).toMatchObject({ rowsCounted: 80, done: true });
    expect(world.results('hourly')).toEqual(['analyst.1.0', 'analyst.1.1']);
    expect(services.leases).toMatchObject({ state: 'ended', epoch: 1 });
    const restarted = await runWorker(world.options());
    expect(restarted).toMatchObject({ aggregates: 0, done: true, epoch: 2 });
  });

  test('a clone beside it gets no lease, and nothing of it is told', async () => {
    const world = new World();
    await publishAll(world);
    const working = runWorker(world.options());
    await until(() => world.results('hourly').length === 1);
    const stopping = new AbortController();
    const clone = new World();
    await publishAll(clone);
    const cloned = rejection(runWorker(clone.options({ signal: stopping.signal })));
    await publishRest(world);
    expect(await working).toMatchObject({ done: true });
    stopping.abort();
    expect(['ERR_LEASE_HELD', 'ERR_LEASE_FORKED']).toContain(await cloned);
    expect(entriesIn(clone)).toEqual([]);
    expect(world.results('hourly')).toEqual(['analyst.1.0', 'analyst.1.1']);
  });

  test('a log that was rolled back by more than one step is not gone on from', async () => {
    const world = new World();
    await publishAll(world);
    const stopping = new AbortController();
    const first = runWorker(world.options({ untilComplete: false, signal: stopping.signal }));
    await until(() => world.results('hourly').length === 1);
    stopping.abort();
    await first;
    const older = new World();
    await publishAll(older);
    await publishRest(older);
    const topic = checkpointsTopic(computation.contractId);
    await older.log.createTopics([{ topic }]);
    // Announcement, one window, and the checkpoint of the end: the last two are taken away.
    await older.log.append(topic, world.entries(topic).slice(0, 1));
    expect(await rejection(runWorker(older.options()))).toBe('ERR_LEASE_FORKED');
    expect(entriesIn(older)).toEqual([]);
    expect(older.entries(topic)).toHaveLength(1);
  });

  test('who lost the lease stops before it tells anything more', async () => {
    const world = new World();
    await publishAll(world);
    const stopping = new AbortController();
    const working = rejection(runWorker(world.options({ signal: stopping.signal })));
    await until(() => world.results('hourly').length === 1);
    // As if it had slept, and another one had taken over.
    services.leases.holder = Buffer.alloc(32).toString('base64url');
    const path = `/owner-north/leases/${computation.contractId}/nonces`;
    const attempts = services.seen.get(path) ?? 0;
    await publishRest(world);
    await until(() => (services.seen.get(path) ?? 0) > attempts);
    stopping.abort();
    expect(await working).toBe('ERR_LEASE_HELD');
    expect(world.results('hourly')).toEqual(['analyst.1.0']);
  });

  test('a writer that was fenced ends a life, and not the worker', async () => {
    const world = new World();
    await publishAll(world);
    const working = runWorker(world.options());
    await until(() => world.results('hourly').length === 1);
    await world.log.transaction(`strongroom-worker..${computation.contractId}`);
    await publishRest(world);
    expect(await working).toMatchObject({ done: true });
    expect(world.results('hourly')).toEqual(['analyst.1.0', 'analyst.2.1']);
  });

  test('an owner ends it: within the bound nothing leaves, and a notice says so', async () => {
    const world = new World();
    await publishAll(world);
    const working = rejection(runWorker(world.options({ untilComplete: false })));
    await until(() => world.results('hourly').length === 1);
    const since = performance.now();
    services.leases.revoke();
    expect(await working).toBe('ERR_CONTRACT_REVOKED');
    expect(performance.now() - since).toBeLessThan(10_000);
    await publishRest(world);
    expect(await rejection(runWorker(world.options()))).toBe('ERR_CONTRACT_REVOKED');
    expect(world.results('hourly')).toEqual(['analyst.1.0']);
    expect(entriesIn(world).at(-1)?.key).toBe(RECORD_TYPES.notice);
  });
});

describe('a worker whose owners have reading keys', () => {
  beforeEach(() => {
    computation = told;
  });
  afterEach(() => {
    computation = plain;
  });

  test.each(['before', 'after'] as const)(
    'writes each ledger of uses with the results, once, also when an answer is lost %s a commit',
    async (when) => {
      const world = new World();
      await world.publish('north', rowsOf(2, 20), 2 * HOUR_MS, true);
      await world.publish('south', rowsOf(2, 20), 2 * HOUR_MS, true);
      let writers = 0;
      const connectLog = async () => {
        const log = createMemoryLog(world.store);
        const plainly = log.transaction.bind(log);
        const failing = failFourthCommit(log, when);
        const transaction = (id: string) => {
          writers += 1;
          return writers === 1 ? failing(id) : plainly(id);
        };
        return Object.assign(log, { transaction });
      };
      expect(await runWorker(world.options({ connectLog }))).toMatchObject({ done: true });
      const uses = told.contract.parties.slice(0, 2).map(({ id }) => {
        const entries = world.entries(usesTopic(told.contractId, id));
        return entries.map(({ key, headers }) =>
          key === id ? headers['ce_id'] : headers['ce_type'],
        );
      });
      const { token } = RECORD_TYPES;
      const ids = [token, '0.0', '0.1', token, '1.2'];
      expect(uses).toEqual([ids, ids]);
      expect(entriesIn(world).map(({ headers }) => headers['ce_type'])).not.toContain(
        RECORD_TYPES.use,
      );
    },
  );

  test.each(['before', 'after'] as const)(
    'sets refused records aside for their owner, also when an answer is lost %s a commit',
    async (when) => {
      const world = new World();
      await world.publish('north', rowsOf(2, 20), 0);
      const [first] = world.entries(world.topicOf('north'));
      const bad = first ? [first, { ...first, key: 'other' }] : expect.fail('a batch');
      await world.log.append(world.topicOf('north'), bad);
      await world.publish('north', [], 2 * HOUR_MS, true);
      await world.publish('south', rowsOf(2, 20), 2 * HOUR_MS, true);
      let lives = 0;
      const connectLog = async () => {
        const log = createMemoryLog(world.store);
        lives += 1;
        return lives === 1 ? Object.assign(log, { transaction: failFourthCommit(log, when) }) : log;
      };
      const summary = await runWorker(world.options({ connectLog }));
      expect(summary).toMatchObject({ done: true });
      const [north] = told.contract.parties;
      const { told: entries, others } = await quarantined(world, north?.id);
      // Behind four batches and a manifest; told twice where the step that covers them was lost.
      const both = ['north/0/5 ERR_BATCH_REPLAYED', 'north/0/6 ERR_RECORD_HEADERS'];
      expect(new Set(entries)).toEqual(new Set(both));
      expect(entries.length).toBeLessThanOrEqual(4);
      expect(others).toBe(0);
    },
  );

  test('a record that costs four vaults their lives is refused, told, not passed by', async () => {
    const world = new World();
    await world.publish('north', rowsOf(2, 20), 2 * HOUR_MS, true);
    await world.publish('south', rowsOf(2, 20), 2 * HOUR_MS, true);
    let deaths = 0;
    const dying = async (): Promise<VaultDoor> => {
      const vault = await startVault({ logger, deadlineMs: 20_000 });
      let last: Promise<unknown> = Promise.resolve();
      const request: VaultDoor['request'] = async (verb, message, values) => {
        await last;
        const answered = vault.request(verb, message, values);
        last = answered.catch(() => undefined);
        if (killsIt(message)) {
          deaths += 1;
          process.kill(vault.pid, 'SIGKILL');
        }
        return await answered;
      };
      return { request, pid: vault.pid, peakBytes: 0, close: () => vault.close() };
    };
    const ended = await rejection(runWorker(world.options({ startVault: dying })));
    expect(ended).toBe('ERR_STREAM_TRUNCATED');
    expect(deaths).toBe(4);
    expect(await quarantined(world)).toEqual({ told: ['north/0/1 ERR_RECORD_FATAL'], others: 0 });
    expect([...world.results('all'), ...world.results('hourly')]).toEqual([]);
  }, 60_000);
});

/** The second record of the first owner, until the vault is told to refuse it. */
function killsIt(message: object): boolean {
  const { dataset, entries = [] } = message as Partial<DoorVerbs['accept']['request']>;
  const isThere = entries.some(({ offset, deaths = 0 }) => offset === 1 && deaths < 3);
  return dataset === 'north' && isThere;
}

/** What an owner reads in its quarantine, and how many entries lie in those of others. */
async function quarantined(world: World, owner = told.contract.parties[0]?.id) {
  const proofs = entriesIn(world).filter(
    ({ headers }) => headers['ce_type'] === RECORD_TYPES.token,
  );
  const found = [];
  const id = owner ?? expect.fail('an owner');
  for (const record of world.entries(quarantineTopic(told.contractId, id))) {
    const proof = proofs.find(
      ({ headers }) => headers['ce_id'] === claimedQuarantine(record).token,
    );
    const [token = ''] = parseProof(proof?.value ?? new Uint8Array(0)).tokens;
    const [, { kty, crv, x }] = RuntimeClaimsSchema.parse(payloadOf(token)['x-ms-runtime']).keys;
    const { entry } = await openQuarantine(record, {
      ...{ contractId: told.contractId, owner: id, aggregateKey: { kty, crv, x } },
      tokenSha256: proof?.headers['ce_id'] ?? '',
      secretReader: told.identities.get(id)?.reader ?? expect.fail('it reads'),
    });
    const what = entry.kind === 'record' ? entry : expect.fail('a record');
    found.push(`${quarantineId(what.origin)} ${what.code}`);
  }
  const others = told.contract.parties
    .slice(1, 2)
    .flatMap((party) => world.entries(quarantineTopic(told.contractId, party.id)));
  return { told: found, others: others.length };
}

function entriesIn(world: World): LogEntry[] {
  try {
    return world.entries(aggregatesTopic(computation.contractId));
  } catch {
    return [];
  }
}

function failFourthCommit(log: MemoryLog, when: 'before' | 'after') {
  const open = log.transaction.bind(log);
  return async (id: string) => {
    const writer = await open(id);
    let commits = 0;
    const commit: typeof writer.commit = (...record) => {
      commits += 1;
      if (commits === 4) log.failNext('commit', when);
      return writer.commit(...record);
    };
    return { commit, close: () => writer.close() };
  };
}

function checkpoints(world: World): number {
  const entries = world.entries(checkpointsTopic(computation.contractId));
  return entries.filter(({ key }) => key === RECORD_TYPES.checkpoint).length;
}
