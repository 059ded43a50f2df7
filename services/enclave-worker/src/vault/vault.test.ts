import { createHash } from 'node:crypto';
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import type { Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { type RuntimeClaims, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { PartyIdSchema, type QueryId } from '@strongroom/protocol/fields';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { openAggregate } from '@strongroom/sealing/open-aggregate';
import { tableFromIPC } from 'apache-arrow';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, type Row, TestStream } from '../../test/owners.ts';
import { type Told, toldIn } from '../../test/proven-vaults.ts';
import { sharedTransportKey } from '../../test/rsa-keys.ts';
import type { DoorEntry, DoorRecord, EntryOutcome } from './door.ts';
import { Vault } from './vault.ts';

/** A place whose name is too long to occur in ciphertext by chance. */
const MARKER = 'MARKER-c7e1f09b';
const DAY_US = 86_400_000_000n;
const DAY_MS = 86_400_000;
const FLIGHTS = [
  { name: 'date', type: 'timestamp-us', nullable: false },
  { name: 'delay', type: 'int64', nullable: true },
  { name: 'origin', type: 'utf8', nullable: false },
] as const;
const AIRPORTS = [
  { name: 'iata', type: 'utf8', nullable: false },
  { name: 'state', type: 'utf8', nullable: true },
] as const;
const PLANS = [
  { id: 'east', relation: 'flights', columns: FLIGHTS, eventTime: 'date' },
  { id: 'west', relation: 'flights', columns: FLIGHTS, eventTime: 'date' },
  { id: 'airports', relation: 'airports', columns: AIRPORTS },
];
const BY_STATE = `SELECT a.state AS state, count(*) AS n, avg(f.delay) AS mean,
  sum(f.delay) AS total,
  max(f.delay) AS worst, count(DISTINCT f.origin) AS origins
  FROM flights f JOIN airports a ON f.origin = a.iata GROUP BY a.state`;
const DAILY = 'SELECT origin, count(*) AS n, avg(delay) AS mean FROM flights GROUP BY origin';
const QUERIES: (Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'> &
  Pick<Query['disclosure'], 'differences'>)[] = [
  {
    differences: 'accepted',
    id: 'by-state' as QueryId,
    sql: BY_STATE,
    relations: ['flights', 'airports'],
    window: { kind: 'whole' },
    latenessMs: 0,
  },
  {
    differences: 'accepted',
    id: 'daily' as QueryId,
    sql: DAILY,
    relations: ['flights'],
    window: { kind: 'tumbling', sizeMs: DAY_MS },
    latenessMs: 3_600_000,
  },
];

let computation: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, QUERIES);
}, 60_000);

/** A vault and what a worker would keep beside it: topics with offsets, results in their order. */
class Session {
  readonly computation: Computation;
  readonly topics: Map<string, DoorEntry[]>;
  readonly results: DoorRecord[];
  vault!: Vault;
  outcomes: EntryOutcome[] = [];
  readonly #read = new Map<string, number>();

  constructor(from: Computation | Session) {
    const isSession = from instanceof Session;
    this.computation = isSession ? from.computation : from;
    this.topics = isSession ? from.topics : new Map(PLANS.map(({ id }) => [id, []]));
    this.results = isSession ? from.results : [];
  }

  async start(): Promise<this> {
    this.vault = await Vault.open(this.computation.signed, { transportKey: sharedTransportKey() });
    const { contract } = this.computation;
    const { nonce } = this.vault.claims();
    const transport = claimsOf(this.vault).keys[0];
    for (const { id, owner, keyId } of contract.datasets) {
      for (const name of [keyId, 'state-share']) {
        const jws = await this.computation.release(owner, name, nonce, transport);
        await this.vault.acceptRelease(owner, name, jws);
      }
      this.#read.set(id, 0);
    }
    this.vault.acceptProof(PROOF);
    const checkpoints = this.results.filter(({ key }) => key === RECORD_TYPES.checkpoint);
    const jwes = checkpoints.map(({ value }) => new TextDecoder().decode(value));
    // The log's order says nothing, and anybody may append what is no checkpoint.
    const noise = jwes.length > 0 ? [...jwes.slice(0, 1), 'a.b.c.d.e'] : [];
    const restored = await this.vault.restore([...jwes, ...noise]);
    for (const { dataset, offset } of restored.from) this.#read.set(dataset, offset);
    this.results.push(...(await this.vault.announce()).records);
    return this;
  }

  publish(dataset: string, ...records: Omit<DoorEntry, 'offset'>[]): void {
    const topic = this.topics.get(dataset) ?? [];
    for (const record of records) topic.push({ ...record, offset: topic.length });
  }

  /** Reads what was published, in groups, and closes what is complete. */
  async run(groupSize = 3): Promise<EntryOutcome[]> {
    const outcomes: EntryOutcome[] = [];
    for (const [dataset, topic] of this.topics) {
      for (let at = this.#read.get(dataset) ?? 0; at < topic.length; at += groupSize) {
        const group = topic.slice(at, at + groupSize);
        outcomes.push(...(await this.vault.accept(dataset, group)));
      }
      this.#read.set(dataset, topic.length);
    }
    for (let more = true; more; ) {
      const { closing, departure } = await this.vault.closeWindows();
      const { records } = departure;
      this.results.push(...records);
      more = closing.more;
    }
    this.outcomes.push(...outcomes);
    return outcomes;
  }

  async opened(query: string): Promise<{ seal: Told; rows: unknown[][] }[]> {
    const found = [];
    for (const record of this.results) {
      if (record.key !== `${query}.analyst`) continue;
      const { contract, contractId, analyst } = this.computation;
      const opened = await openAggregate([record], {
        contract,
        contractId,
        reader: PartyIdSchema.parse('analyst'),
        secretReader: analyst.reader ?? expect.fail('the analyst reads'),
        aggregateKey: aggregateKeyOf(this.vault),
        tokenSha256: createHash('sha256').update(PROOF).digest('hex'),
      });
      found.push({ seal: toldIn(opened), rows: rowsOf(opened.arrow) });
    }
    return found;
  }
}

const PROOF = '{"tokens":["header.claims.signature"],"v":1}';

function claimsOf(vault: Vault): RuntimeClaims {
  const bytes = decodeBase64url(vault.claims().runtimeClaims) ?? new Uint8Array(0);
  return RuntimeClaimsSchema.parse(parseCanonical(bytes));
}

function aggregateKeyOf(vault: Vault) {
  const { kty, crv, x } = claimsOf(vault).keys[1];
  return { kty, crv, x };
}

function rowsOf(plaintext: Uint8Array): unknown[][] {
  const table = tableFromIPC(plaintext);
  return Array.from({ length: table.numRows }, (_none, row) =>
    table.schema.fields.map((field, column) => {
      const value: unknown = table.getChildAt(column)?.get(row);
      // HUGEINT travels as decimal128; the sums of these tests are small.
      if (`${field.type}`.startsWith('Decimal') && value instanceof Uint32Array) {
        return BigInt.asIntN(32, BigInt(value[0] ?? 0));
      }
      return value;
    }),
  );
}

/** The same SQL by plain DuckDB on the plain rows; groups under the minimum left out. */
async function plainResult(sql: string, flights: Row[], airports: Row[]): Promise<DuckDBValue[][]> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run('CREATE TABLE flights (date TIMESTAMP, delay BIGINT, origin VARCHAR)');
  await connection.run('CREATE TABLE airports (iata VARCHAR, state VARCHAR)');
  for (const { date, delay, origin } of flights) {
    await connection.run(`INSERT INTO flights VALUES (make_timestamp(${date}), $1, $2)`, [
      delay ?? null,
      origin ?? null,
    ]);
  }
  for (const { iata, state } of airports) {
    await connection.run('INSERT INTO airports VALUES ($1, $2)', [iata ?? null, state ?? null]);
  }
  const reader = await connection.runAndReadAll(`SELECT * FROM (${sql}) WHERE n >= 2 ORDER BY ALL`);
  return reader.getRows();
}

const airports: Row[] = [
  { iata: 'SFO', state: 'CA' },
  { iata: 'LAX', state: 'CA' },
  { iata: 'JFK', state: 'NY' },
  { iata: 'BOS', state: 'MA' },
  { iata: MARKER, state: null },
];

/** Deterministic rows over `days` days, every one a little different. */
function flightsOf(seed: number, days: number, perDay: number): Row[] {
  const origins = ['SFO', 'LAX', 'JFK', 'BOS', MARKER];
  return Array.from({ length: days * perDay }, (_none, index) => ({
    date:
      BigInt(Math.floor(index / perDay)) * DAY_US +
      BigInt((index * 7919 * seed) % 86_400) * 1_000_000n,
    delay: index % 11 === 0 ? null : BigInt(((index * seed) % 97) - 30),
    origin: origins[(index * seed) % origins.length] ?? 'SFO',
  }));
}

function chunks(rows: readonly Row[], size: number): Row[][] {
  const all: Row[][] = [];
  for (let at = 0; at < rows.length; at += size) all.push(rows.slice(at, at + size));
  return all;
}

const plain = (record: { value: Uint8Array }) => Buffer.from(record.value).toString('latin1');
const codes = (outcomes: readonly EntryOutcome[]) => outcomes.flatMap(({ code }) => code ?? []);

describe('two owners and a reference table', () => {
  const east = flightsOf(3, 4, 50);
  const west = flightsOf(5, 4, 40);

  test('results are those of plain DuckDB, and come when all owners have said enough', async () => {
    const session = await new Session(computation).start();
    const streams = {
      east: new TestStream(computation, 'east'),
      west: new TestStream(computation, 'west'),
      airports: new TestStream(computation, 'airports'),
    };
    for (const rows of chunks(east, 37)) session.publish('east', await streams.east.seal(rows));
    session.publish('east', await streams.east.manifest(4 * DAY_MS, true));
    await session.run();
    expect(await session.opened('daily')).toEqual([]);

    for (const rows of chunks(west.slice(0, 80), 29)) {
      session.publish('west', await streams.west.seal(rows));
    }
    // The watermark is the end of day 1, but lateness keeps it open for an hour.
    session.publish('west', await streams.west.manifest(DAY_MS));
    await session.run();
    expect(await session.opened('daily')).toEqual([]);
    session.publish('west', await streams.west.manifest(DAY_MS + 3_600_000));
    await session.run();
    expect((await session.opened('daily')).map(({ seal }) => seal.window)).toEqual([
      { start: 0, end: DAY_MS },
    ]);

    for (const rows of chunks(west.slice(80), 29)) {
      session.publish('west', await streams.west.seal(rows));
    }
    session.publish('west', await streams.west.manifest(4 * DAY_MS, true));
    await session.run();
    const daily = await session.opened('daily');
    expect(daily.map(({ seal }) => seal.emission)).toEqual([0, 1, 2, 3]);
    for (const { seal, rows } of daily) {
      const start = BigInt(seal.window?.start ?? 0) * 1_000n;
      const inWindow = [...east, ...west].filter(
        ({ date }) => BigInt(date ?? 0) >= start && BigInt(date ?? 0) < start + DAY_US,
      );
      expect(rows).toEqual(await plainResult(DAILY, inWindow, []));
      expect(seal.inputs.map((input) => input.rows)).toEqual([50, 40]);
    }

    expect(await session.opened('by-state')).toEqual([]);
    session.publish('airports', await streams.airports.seal(airports));
    session.publish('airports', await streams.airports.manifest(null, true));
    await session.run();
    const [byState, ...more] = await session.opened('by-state');
    expect(more).toEqual([]);
    expect(byState?.rows).toEqual(await plainResult(BY_STATE, [...east, ...west], airports));
    expect(byState?.seal.inputs.map(({ dataset, rows }) => [dataset, rows])).toEqual([
      ['east', 200],
      ['west', 160],
      ['airports', 5],
    ]);
    expect(codes(session.outcomes)).toEqual([]);
    expect(session.outcomes.reduce((sum, { rows }) => sum + rows, 0)).toBe(365);
    session.vault.finish();
    // Nothing that left holds a value of a row.
    expect(session.results.map(plain).join('')).not.toContain(MARKER);
  });

  test('a group under the minimum is counted and not disclosed', async () => {
    const single = await new Session(computation).start();
    await publishAll(single, { east: [{ date: 5n, delay: 1n, origin: 'ONE' }], west: [] });
    await single.run();
    const [only] = await single.opened('daily');
    expect(only?.rows).toEqual([]);
    expect(only?.seal.suppressedGroups).toBe(1);
  });
});

/** Publishes whole streams, each with its final manifest. */
async function publishAll(session: Session, rows: { east: Row[]; west: Row[] }, size = 25) {
  for (const [dataset, all] of [...Object.entries(rows), ['airports', airports] as const]) {
    const stream = new TestStream(session.computation, dataset);
    for (const part of chunks(all, size)) session.publish(dataset, await stream.seal(part));
    const watermark = dataset === 'airports' ? null : 40 * DAY_MS;
    session.publish(dataset, await stream.manifest(watermark, true));
  }
}

describe('bad records', () => {
  const east = flightsOf(3, 2, 40);
  const west = flightsOf(5, 2, 40);

  test('every batch repeated at every place changes nothing and is refused', async () => {
    const honest = await new Session(computation).start();
    await publishAll(honest, { east, west });
    const repeated = new Session(honest);
    for (const [dataset, topic] of honest.topics) {
      const batches = topic.filter(({ value }) => value.length > 0);
      const all = topic.flatMap((entry) => [
        entry,
        ...batches.slice(0, batches.indexOf(entry) + 1),
      ]);
      repeated.topics.set(
        dataset,
        all.map((entry, offset) => ({ ...entry, offset })),
      );
    }
    await repeated.start();
    const outcomes = await repeated.run();
    expect(new Set(codes(outcomes))).toEqual(new Set(['ERR_BATCH_REPLAYED']));
    const [result] = await repeated.opened('by-state');
    expect(result?.rows).toEqual(await plainResult(BY_STATE, [...east, ...west], airports));
  });

  test('forged, moved, changed and foreign records are refused with their codes', async () => {
    const session = await new Session(computation).start();
    const stream = new TestStream(computation, 'east');
    const forger = new TestStream(computation, 'west');
    const good = await stream.seal(east.slice(0, 10));
    const foreign = await forger.seal(west.slice(0, 10));
    const flipped = new Uint8Array(good.value);
    flipped[5] = (flipped[5] ?? 0) ^ 1;
    const tag = new Uint8Array(good.value);
    tag[tag.length - 1] = (tag.at(-1) ?? 0) ^ 1;
    const dressed = { ...foreign, headers: { ...foreign.headers, ...withoutSeal(good.headers) } };
    session.publish('east', foreign, dressed, { ...good, value: flipped }, { ...good, value: tag });
    session.publish('east', { ...good, headers: { ...good.headers, extra: 'x' } });
    session.publish('east', { ...good, headers: withoutSeal(good.headers) });
    session.publish('east', { key: null, value: new Uint8Array(3), headers: {} }, good);
    const outcomes = await session.run(1);
    expect(outcomes.map(({ code }) => code ?? 'ok')).toEqual([
      'ERR_SEAL_SIGNATURE',
      'ERR_SEAL_SIGNATURE',
      'ERR_CIPHERTEXT_HASH',
      'ERR_BATCH_UNOPENABLE',
      'ERR_RECORD_HEADERS',
      'ERR_SEAL_MALFORMED',
      'ERR_SEAL_MALFORMED',
      'ok',
    ]);
  });

  test('rows that are not what the seal says are not counted', async () => {
    const session = await new Session(computation).start();
    const lying = new TestStream(computation, 'east');
    session.publish('east', await lying.seal(east.slice(0, 10), { rows: 9 }));
    expect(codes(await session.run())).toEqual(['ERR_BATCH_CONTENT']);
  });

  test('compressed batches are counted, and what is only called compressed is not', async () => {
    const session = await new Session(computation).start();
    const stream = new TestStream(computation, 'east');
    const [plain, packed, lying] = [
      await stream.seal(east.slice(0, 40)),
      await stream.seal(east.slice(0, 40), {}, 1),
      await stream.seal(east.slice(0, 40), { compression: 'zstd' }),
    ];
    expect(packed.value.length).toBeLessThan(plain.value.length);
    session.publish('east', plain, packed, lying);
    const outcomes = await session.run(1);
    const found = outcomes.map(({ code }) => code ?? 'ok');
    expect(found).toEqual(['ok', 'ok', 'ERR_BATCH_COMPRESSION']);
  });

  test('batches in another order wait for the missing one', async () => {
    const session = await new Session(computation).start();
    await publishAll(session, { east, west });
    const topic = session.topics.get('east') ?? [];
    const [first, second, ...rest] = topic;
    if (!first || !second) return expect.fail('two batches');
    const shuffled = [second, ...rest, first].map((entry, offset) => ({ ...entry, offset }));
    session.topics.set('east', shuffled);
    const outcomes = await session.run();
    expect(outcomes.filter(({ kind }) => kind === 'held').length).toBeGreaterThan(1);
    const [result] = await session.opened('by-state');
    expect(result?.rows).toEqual(await plainResult(BY_STATE, [...east, ...west], airports));
  });

  test.each([0, 1, 3])(
    'without batch %d nothing is emitted, and the end is missed',
    async (index) => {
      const session = await new Session(computation).start();
      await publishAll(session, { east, west });
      session.topics.get('west')?.splice(index, 1);
      await session.run();
      expect(await session.opened('by-state')).toEqual([]);
      expect(await session.opened('daily')).toEqual([]);
      expect(codeFrom(() => session.vault.finish())).toBe('ERR_STREAM_TRUNCATED');
    },
  );

  test('two histories of one stream halt the computation', async () => {
    const session = await new Session(computation).start();
    const stream = new TestStream(computation, 'east');
    const fork = new TestStream(computation, 'east', stream.stream);
    session.publish('east', await stream.seal(east.slice(0, 10)));
    await session.run();
    const other = await fork.seal(east.slice(10, 20));
    const entry = { ...other, offset: 9 };
    expect(await rejection(session.vault.accept('east', [entry]))).toBe('ERR_STREAM_FORKED');
    const manifest = { ...(await fork.manifest(0)), offset: 10 };
    expect(await rejection(session.vault.accept('east', [manifest]))).toBe('ERR_MANIFEST_MISMATCH');
    const foreign = { ...(await new TestStream(computation, 'east').seal(east)), offset: 11 };
    expect(codes(await session.vault.accept('east', [foreign]))).toEqual(['ERR_STREAM_UNKNOWN']);
  });

  test('late rows are counted as late and stay out of their window', async () => {
    const session = await new Session(computation).start();
    const stream = new TestStream(computation, 'east');
    const other = new TestStream(computation, 'west');
    session.publish('west', await other.seal(west), await other.manifest(90 * DAY_MS, true));
    session.publish('east', await stream.seal(east), await stream.manifest(DAY_MS + 3_600_000));
    await session.run();
    session.publish('east', await stream.seal([...east.slice(0, 3), ...east.slice(-2)]));
    session.publish('east', await stream.manifest(90 * DAY_MS, true));
    const outcomes = await session.run();
    expect(outcomes.map(({ lateRows }) => lateRows)).toEqual([3, 0]);
    const daily = await session.opened('daily');
    expect(daily.map(({ seal }) => seal.inputs.map(({ rows }) => rows))).toEqual([
      [40, 40],
      [42, 40],
    ]);
    expect(daily[1]?.seal.inputs.map(({ lateRows }) => lateRows)).toEqual([3, 0]);
  });
});

describe('after a restart', () => {
  const east = flightsOf(3, 6, 40);
  const west = flightsOf(5, 6, 40);

  test('at any point, the results are the same and none comes twice', async () => {
    for (const stop of [1, 2, 4, 7]) {
      const session = await new Session(computation).start();
      await publishAll(session, { east, west });
      const whole = new Map(session.topics);
      // The first life sees only the beginning of each topic.
      for (const [dataset, topic] of whole) session.topics.set(dataset, topic.slice(0, stop));
      const partial = new TestStream(computation, 'east');
      expect(partial).toBeDefined();
      await session.run();
      session.results.push(...(await session.vault.checkpoint()).records);
      for (const [dataset, topic] of whole) session.topics.set(dataset, topic);
      const second = await new Session(session).start();
      const outcomes = await second.run();
      expect(codes(outcomes)).toEqual([]);
      expect(rowsIn(session.outcomes) + rowsIn(outcomes)).toBe(485);
      const state = await second.opened('by-state');
      expect(state.map(({ rows }) => rows)).toEqual([
        await plainResult(BY_STATE, [...east, ...west], airports),
      ]);
      expect(state[0]?.seal.epoch).toBe(1);
    }
  }, 60_000);

  test('closed windows stay closed, and rows that are read again are not late', async () => {
    const session = await new Session(computation).start();
    const streams = ['east', 'west'].map((id) => [id, new TestStream(computation, id)] as const);
    for (const [id, stream] of streams) {
      const rows = id === 'east' ? east : west;
      for (const part of chunks(rows.slice(0, 120), 30))
        session.publish(id, await stream.seal(part));
      session.publish(id, await stream.manifest(2 * DAY_MS + 3_600_000));
    }
    await session.run();
    const before = session.results.filter(({ key }) => key === 'daily.analyst').length;
    expect(before).toBe(2);
    const second = await new Session(session).start();
    for (const [id, stream] of streams) {
      const rows = id === 'east' ? east : west;
      session.publish(
        id,
        await stream.seal(rows.slice(120)),
        await stream.manifest(9 * DAY_MS, true),
      );
    }
    const outcomes = await second.run();
    expect(outcomes.every(({ lateRows }) => lateRows === 0)).toBe(true);
    expect(rowsIn(outcomes)).toBe(240);
    const results = second.results.slice(-5).filter(({ key }) => key === 'daily.analyst');
    const windows = results.map(({ headers }) => headers['ce_id']);
    expect(windows).toEqual([2, 3, 4, 5].map((emission) => `analyst.1.${emission}.0`));
  });

  test('a log that lost what was counted emits nothing and says so', async () => {
    const session = await new Session(computation).start();
    const stream = new TestStream(computation, 'east');
    for (const part of chunks(east, 25)) session.publish('east', await stream.seal(part));
    await session.run();
    session.results.push(...(await session.vault.checkpoint()).records);
    session.topics.set('east', (session.topics.get('east') ?? []).slice(0, 2));
    const again = await new Session(session).start();
    await again.run();
    expect(codeFrom(() => again.vault.finish())).toBe('ERR_STREAM_TRUNCATED');
  });

  test('another history below the checkpoint halts', async () => {
    const session = await new Session(computation).start();
    const stream = new TestStream(computation, 'east');
    session.publish('east', await stream.seal(east.slice(0, 10)));
    await session.run();
    session.results.push(...(await session.vault.checkpoint()).records);
    const other = new TestStream(computation, 'east', stream.stream);
    session.topics.set('east', [{ ...(await other.seal(east.slice(0, 10))), offset: 0 }]);
    const again = await new Session(session).start();
    expect(await rejection(again.run())).toBe('ERR_STREAM_FORKED');
  });

  test('when all is done, nothing is read or emitted again', async () => {
    const session = await new Session(computation).start();
    await publishAll(session, { east, west });
    await session.run();
    const emitted = session.results.length;
    const again = await new Session(session).start();
    const outcomes = await again.run();
    expect(outcomes.map(({ kind }) => kind)).toEqual(['manifest', 'manifest', 'manifest']);
    again.vault.finish();
    expect(again.results.length).toBe(emitted + 2);
  });

  test('a checkpoint of another contract, or a changed one, is refused', async () => {
    const session = await new Session(computation).start();
    const checkpoint = session.results.at(-1);
    const jwe = Buffer.from(checkpoint?.value ?? []).toString();
    for (const changed of [`${jwe}A`, jwe.replace('.', 'A.'), 'a.b.c.d.e', '']) {
      const failing = session.vault.restore([changed]);
      expect(await rejection(failing)).toBe('ERR_CHECKPOINT_INVALID');
    }
  });
});

describe('keys', () => {
  test('a release for another nonce, another key or by another service is refused', async () => {
    const vault = await Vault.open(computation.signed);
    const { nonce } = vault.claims();
    const [transport] = claimsOf(vault).keys;
    const release = (owner: string, keyId: string, forNonce = nonce) =>
      computation.release(owner, keyId, forNonce, transport);
    const other = await release('owner-east', 'kek-east', 'other');
    const east = await release('owner-east', 'kek-east');
    const west = await release('owner-west', 'kek-west');
    for (const [owner, keyId, jws] of [
      ['owner-east', 'kek-east', other],
      ['owner-east', 'kek-east', west],
      ['owner-east', 'state-share', east],
      ['owner-west', 'kek-west', east],
      ['analyst', 'kek-east', east],
      ['owner-east', 'kek-east', `${east.slice(0, -4)}AAAA`],
      ['owner-east', 'kek-east', ''],
    ] as const) {
      expect(await rejection(vault.acceptRelease(owner, keyId, jws))).toBe('ERR_RELEASE_INVALID');
    }
    await vault.acceptRelease('owner-east', 'kek-east', east);
    expect(await rejection(vault.checkpoint())).toBe('ERR_KEY_NOT_RELEASED');
    vault.close();
  });

  test('a contract that names a version of a key takes no other one', async () => {
    const keyVersion = 'ab'.repeat(16);
    const plans = PLANS.map((plan) => ({ ...plan, keyVersion }));
    const pinned = await agreeOn(plans, QUERIES);
    const vault = await Vault.open(pinned.signed);
    const [transport] = claimsOf(vault).keys;
    const wanted = `kek-east/${keyVersion}`;
    const released = (keyId: string) =>
      pinned.release('owner-east', keyId, vault.claims().nonce, transport);
    for (const other of ['kek-east', `kek-east/${'cd'.repeat(16)}`, `kek-west/${keyVersion}`]) {
      const accepting = vault.acceptRelease('owner-east', wanted, await released(other));
      expect(await rejection(accepting)).toBe('ERR_RELEASE_INVALID');
    }
    await vault.acceptRelease('owner-east', wanted, await released(wanted));
    vault.close();
  });

  test('a contract that lacks a signature opens no vault', async () => {
    const { signed } = computation;
    const unsigned = { ...signed, signatures: signed.signatures.slice(1) };
    expect(await rejection(Vault.open(unsigned))).toBe('ERR_CONTRACT_UNSIGNED');
  });
});

function withoutSeal(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { seal: _seal, ...rest } = headers;
  return rest;
}

function rowsIn(outcomes: readonly EntryOutcome[]): number {
  return outcomes.reduce((sum, { rows }) => sum + rows, 0);
}

function codeFrom(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

async function rejection(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}
