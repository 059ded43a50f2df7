import type { ErrorCode } from '@strongroom/protocol/errors';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import {
  AT,
  batchesAs,
  fetchedAs,
  headerFlood,
  metadataAs,
  misnumbered,
  type Times,
  tinyRecords,
  withChecksum,
} from '@strongroom/testkit/lying-broker';
import { type Lie, lyingLog } from '@strongroom/testkit/lying-log';
import type { ResponseOf } from '@strongroom/testkit/scripted-broker/messages';
import { batchHead, splitBatches } from '@strongroom/testkit/scripted-broker/record-batch';
import {
  type Script,
  type ScriptedBroker,
  startScriptedBroker,
} from '@strongroom/testkit/scripted-broker/scripted-broker';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Agreed,
  createScene,
  expectTrueAndOnce,
  Place,
  publishOn,
  RESULTS,
  type Scene,
  SEEDS,
} from './lying-world.ts';

/**
 * What a broker can do on the wire to a worker, one behaviour a row (docs/lying-log.md): our client
 * and the real worker on a broker that is told what to say. What is told by the worker is true, and
 * memory stays bounded.
 */

type MetadataSaid = ResponseOf<'Metadata'>;

const ALWAYS = Number.POSITIVE_INFINITY;
const MEGABYTE = 1024 * 1024;
/** What the process may grow by in one behaviour, vault and broker being in it. */
const GROWTH_BYTES_MAX = 500 * MEGABYTE;

/** After so long without a new record a stalled worker is at its deadline. */
const STALLED_MS = 700;
/** Where the truth comes after a while, clients may take their time until then. */
const PATIENT_MS = 30_000;

interface Behaviour {
  readonly script?: (where: (times: number) => Times, random: SeededRandom) => Script;
  /** What lies on the topic besides, in the middle. */
  readonly planted?: () => readonly Buffer[];
  /** Every answer comes in drops. */
  readonly drips?: true;
  /** It takes as long as a client waits for an answer: by night only. */
  readonly isSlow?: true;
  /** How the worker ends; absent: it has told everything. */
  readonly ends?: ErrorCode;
  readonly refused?: readonly ErrorCode[];
}

const ON_THE_WIRE: Readonly<Record<string, Behaviour>> = {
  'breaks a checksum': {
    script: (where, random) =>
      fetchedAs(where(2), (part) => {
        const records = Buffer.from(part.records);
        const at = AT.attributes + random.below(records.length - AT.attributes);
        records.writeUInt8(records.readUInt8(at) ^ 1, at);
        return { ...part, records };
      }),
  },
  'breaks every checksum': {
    script: (where) =>
      fetchedAs(where(ALWAYS), (part) => {
        const records = Buffer.from(part.records);
        records.writeUInt32BE((records.readUInt32BE(AT.crc) ^ 1) >>> 0, AT.crc);
        return { ...part, records };
      }),
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'answers with an error that nobody knows': {
    script: (where) => fetchedAs(where(1), (part) => ({ ...part, errorCode: 12_345 })),
  },
  'says for ever that another node leads': {
    script: (where) =>
      fetchedAs(where(ALWAYS), (part) => ({
        ...part,
        errorCode: 6,
        records: Buffer.alloc(0),
      })),
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'gives negative offsets': {
    script: (where) => batchesAs(where(ALWAYS), (each) => offsetBy(each, -1_000_000n)),
    ends: 'ERR_LOG_FAILED',
  },
  'gives offsets beyond 2^53': {
    script: (where) => batchesAs(where(2), (each) => offsetBy(each, 2n ** 62n)),
  },
  'gives offsets that jump to the end of all numbers': {
    script: (where) => batchesAs(where(1), (each) => offsetBy(each, 2n ** 53n - 100n)),
  },
  'ends the log below what it shows': {
    script: (where) =>
      fetchedAs(where(ALWAYS), (part) => ({ ...part, highWatermark: 0, lastStableOffset: 0 })),
  },
  'ends the log beyond all numbers': {
    script: (where) =>
      fetchedAs(where(ALWAYS), (part) => ({
        ...part,
        highWatermark: 2 ** 62,
        lastStableOffset: 2 ** 62,
      })),
  },
  'calls everybody aborted': {
    script: (where) =>
      fetchedAs(where(ALWAYS), (part) => ({
        ...part,
        abortedTransactions: Array.from({ length: 10_000 }, (_none, index) => ({
          producerId: index - 1,
          firstOffset: 0,
        })),
      })),
  },
  'calls records aborted that were in no transaction': {
    script: (where) =>
      fetchedAs(where(ALWAYS), (part) => ({
        ...part,
        abortedTransactions: producersOf(part.records),
        records: transactional(part.records),
      })),
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'calls records marks': {
    script: (where) =>
      batchesAs(where(ALWAYS), (each) => {
        each.writeInt16BE(each.readInt16BE(AT.attributes) | 0x20, AT.attributes);
        return each;
      }),
    ends: 'ERR_INPUT_INCOMPLETE',
  },
  'changes timestamps': {
    script: (where, random) =>
      batchesAs(where(ALWAYS), (each) => {
        each.writeBigInt64BE(BigInt(random.below(2 ** 40)) * 1_000n, AT.firstTimestamp);
        return each;
      }),
  },
  'answers under another number': {
    isSlow: true,
    script: (where) => fetchedAs(where(1), (_part, exchange) => misnumbered(exchange)),
  },
  'cuts answers off': {
    script: (where) => fetchedAs(where(2), () => 'cut'),
  },
  'lets answers come a byte at a time': {
    drips: true,
  },
  'names no leader': {
    script: () => metadataAs(3, (said) => ledBy(said, -1)),
  },
  'names a leader that is not there': {
    script: () => metadataAs(3, (said) => ledBy(said, 77)),
  },
  'moves the leader to where nothing listens': {
    script: () =>
      metadataAs(3, (said) => ({
        ...said,
        brokers: said.brokers.map((each) => ({ ...each, port: 1 })),
      })),
  },
  'names hundreds of nodes': {
    script: () =>
      metadataAs(3, (said) => ({
        ...said,
        brokers: [...said.brokers, ...manyNodes(500)],
      })),
  },
  'names topics that nobody asked for': {
    script: () =>
      metadataAs(ALWAYS, (said) => ({
        ...said,
        topics: [...said.topics, ...said.topics.map((each) => ({ ...each, name: '__proto__' }))],
      })),
  },
  'offers no version of anything': {
    script: () => {
      let told = 0;
      return {
        ApiVersions: async ({ truth }) => ({
          ...(await truth()),
          ...(told++ < 1 ? { apiKeys: [] } : {}),
        }),
      };
    },
  },
  'gives headers the names of members that every object has': {
    planted: () => [headerFlood(['constructor', '__proto__', 'toString', 'constructor'])],
    refused: ['ERR_SEAL_MALFORMED'],
  },
  'gives a record 60,000 headers': {
    planted: () => [headerFlood(Array.from({ length: 60_000 }, (_none, at) => at.toString(36)))],
    refused: ['ERR_SEAL_MALFORMED'],
  },
  'gives a record one header 100,000 times': {
    planted: () => [headerFlood(Array.from({ length: 100_000 }, () => 'h'))],
    refused: ['ERR_SEAL_MALFORMED'],
  },
  'packs 20,000 records into a batch': {
    planted: () => [tinyRecords(20_000)],
    refused: ['ERR_SEAL_MALFORMED'],
  },
  'packs more records into a batch than fit': {
    planted: () => [tinyRecords(300_000)],
    ends: 'ERR_INPUT_INCOMPLETE',
  },
};

function offsetBy(recordBatch: Buffer, distance: bigint): Buffer {
  recordBatch.writeBigInt64BE(recordBatch.readBigInt64BE(AT.baseOffset) + distance, AT.baseOffset);
  return recordBatch;
}

/** As if they had been sent in a transaction. */
function transactional(records: Buffer): Buffer {
  const marked = splitBatches(records).map((each) => {
    const copy = Buffer.from(each);
    copy.writeInt16BE(copy.readInt16BE(AT.attributes) | 0x10, AT.attributes);
    return withChecksum(copy);
  });
  return Buffer.concat(marked);
}

function producersOf(records: Buffer) {
  const heads = splitBatches(records).map(batchHead);
  return heads.map(({ producerId, baseOffset }) => ({ producerId, firstOffset: baseOffset }));
}

function ledBy(said: MetadataSaid, leaderId: number): MetadataSaid {
  const topics = said.topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((each) => ({ ...each, leaderId })),
  }));
  return { ...said, topics };
}

function manyNodes(count: number): MetadataSaid['brokers'] {
  return Array.from({ length: count }, (_none, index) => ({
    ...{ nodeId: 1_000 + index, host: '127.0.0.1', port: 1 + index, rack: null },
  }));
}

/** A log on a broker of its own, whose lies begin when all was published and end with the work. */
class WirePlace extends Place {
  readonly scripted: ScriptedBroker;

  constructor(agreed: Agreed, scripted: ScriptedBroker, quietMs: number) {
    super(agreed, scene.use(agreed), quietMs);
    this.scripted = scripted;
  }

  override async connect(...lies: readonly Lie[]): Promise<RecordLog> {
    const brokers = this.scripted.brokers.split(',');
    return lyingLog(await connectKafkaLog({ brokers, clientId: 'lied-to' }), ...lies);
  }

  async publish(planted: readonly Buffer[]): Promise<void> {
    const log = await this.connect();
    const half = (from: number, to: number) =>
      new Map([...this.agreed.published].map(([id, all]) => [id, all.slice(from, to)]));
    await publishOn(log, this.agreed, half(0, 5));
    const topic = this.scripted.cluster.topics.get(this.agreed.topicOf('north'));
    for (const recordBatch of planted) topic?.partitions[0]?.plant(recordBatch);
    await publishOn(log, this.agreed, half(5, 100));
    await log.close();
  }
}

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
}, 60_000);
afterAll(() => scene.close());

/** The script, while it is armed. */
function armed(script: Script, isArmed: () => boolean): Script {
  const lines = Object.entries(script).map(([api, line]) => [
    api,
    (exchange: never) => (isArmed() ? line(exchange) : undefined),
  ]);
  return Object.fromEntries(lines);
}

const isLong = process.env['STRONGROOM_LONG'] === '1';
const BEHAVIOURS = Object.entries(ON_THE_WIRE).filter(([, { isSlow }]) => isLong || !isSlow);

describe.each(BEHAVIOURS)('a broker that %s', (_name, behaviour) => {
  test.each(SEEDS)('is seen through (seed %i)', async (seed) => {
    const topic = scene.plain.topicOf('north');
    let lies = false;
    const where = (times: number) => ({ topic, times });
    const script = behaviour.script?.(where, seededRandom(seed)) ?? {};
    const scripted = await startScriptedBroker({
      script: armed(script, () => lies),
      drips: () => lies && behaviour.drips === true,
    });
    const place = new WirePlace(scene.plain, scripted, behaviour.ends ? STALLED_MS : PATIENT_MS);
    await place.publish(behaviour.planted?.() ?? []);
    const before = process.memoryUsage.rss();
    lies = true;
    const run = await place.work();
    lies = false;
    expect(process.memoryUsage.rss() - before).toBeLessThan(GROWTH_BYTES_MAX);
    const { told, codes } = await place.read();
    expectTrueAndOnce(told);
    expect([run.code, codes]).toEqual([behaviour.ends, []]);
    const refused = Object.keys(run.refusals);
    expect(refused).toEqual(expect.arrayContaining([...(behaviour.refused ?? [])]));
    if (behaviour.ends) expect(told.length).toBeLessThan(RESULTS);
    else expect(told).toHaveLength(RESULTS);
    await scripted.close();
  });
});
