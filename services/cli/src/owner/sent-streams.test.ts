import type { Dataset } from '@strongroom/protocol/contract';
import { StreamNameSchema } from '@strongroom/protocol/fields';
import { datasetTopic } from '@strongroom/protocol/record';
import type { LogRecord } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { createStreamSealer, type StreamSealer, streamStart } from '@strongroom/sealing/seal';
import { createMemoryLog, type MemoryLog } from '@strongroom/testkit/memory-log';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createUsesScene, type UsesScene } from '../../test/uses-scene.ts';
import { SentStreams } from './sent-streams.ts';

/** How far an owner's stream was sent, by its manifests on a log in memory. */

const PARTITION = 1;
let scene: UsesScene;
let dataset: Dataset;
let topic: string;
let log: MemoryLog;
let sent: SentStreams;

beforeAll(async () => {
  scene = await createUsesScene('Streams', withTimes);
  dataset = scene.contract.datasets[0] ?? expect.fail('a dataset');
  topic = datasetTopic(scene.contractId, dataset.id);
});
beforeEach(() => {
  log = createMemoryLog();
  sent = new SentStreams({ ...scene, dataset, namespace: '' });
});

function withTimes(contract: Record<string, unknown>) {
  const departed = { name: 'departed', type: 'timestamp-ms', nullable: false };
  const datasets = (contract['datasets'] as { columns: object[] }[]).map((each) => {
    return { ...each, eventTime: 'departed', columns: [...each.columns, departed] };
  });
  return { ...contract, datasets };
}

function sealerOf(by = 'north', epoch = 0): StreamSealer {
  const { contractId, identities } = scene;
  const stream = StreamNameSchema.parse('main');
  const place = { contract: contractId, dataset: dataset.id, stream, epoch };
  return createStreamSealer({
    ...{ contractId, dataset, stream, epoch, point: streamStart(place), kid: 'north' },
    signer: identities.get(by)?.signer ?? expect.fail('an identity'),
    clock: systemClock,
  });
}

async function sealedBatch(sealer: StreamSealer, rows = 10): Promise<LogRecord> {
  const { record } = await sealer.seal(new Uint8Array([1]), {
    rows,
    eventTime: { min: 0, max: 99 },
  });
  return record;
}
const manifest = (sealer: StreamSealer, watermark: number | null = null, final = false) =>
  sealer.manifest({ watermark, final });

/** A word is in a header, and its signature at the end. */
function damaged({ headers, ...record }: LogRecord): LogRecord {
  const shortened = Object.entries(headers).map(([name, text]) => [name, text.slice(0, -4)]);
  return { ...record, headers: { ...headers, ...Object.fromEntries(shortened.filter(isSeal)) } };
}
const isSeal = ([, text = '']: string[]) => text.startsWith('eyJ');

const made = () => log.createTopics([{ topic, partitions: 2 }]);
const append = (...records: LogRecord[]) => log.append(topic, records, PARTITION);
const streamsNow = async () => (await sent.catchUp(log)).streams;

describe('what was sent', () => {
  test('is nothing where there is no topic, and nothing known where it is empty', async () => {
    expect(await sent.catchUp(log)).toMatchObject({ streams: [], records: null });
    await made();
    expect(await sent.catchUp(log)).toMatchObject({ id: dataset.id, streams: [], records: 0 });
  });

  test('is told by the newest manifest, and followed from there on', async () => {
    await made();
    const sealer = sealerOf();
    await append(await sealedBatch(sealer), await manifest(sealer, 100));
    expect(await streamsNow()).toEqual([
      { stream: 'main', rows: 10, batches: 1, watermark: 100, isFinal: false },
    ]);
    await append(await sealedBatch(sealer, 5));
    // What no manifest tells of yet is not told.
    expect(await streamsNow()).toMatchObject([{ rows: 10, batches: 1 }]);
    await append(await manifest(sealer, 200, true));
    expect(await sent.catchUp(log)).toMatchObject({
      streams: [{ rows: 15, batches: 2, watermark: 200, isFinal: true }],
      records: 4,
    });
  });

  test('is not what another has signed, and not what is damaged', async () => {
    await made();
    const [sealer, other] = [sealerOf(), sealerOf('south')];
    await append(await sealedBatch(sealer), await manifest(sealer, 100));
    await sealedBatch(other, 1_000_000);
    const forged = await manifest(other, 9_000, true);
    const own = await manifest(sealer, 300);
    await append(forged, damaged(own));
    expect(await streamsNow()).toMatchObject([{ rows: 10, watermark: 100, isFinal: false }]);
  });

  test('does not go back where the log shows an older word behind a newer one', async () => {
    await made();
    const [before, after] = [sealerOf(), sealerOf('north', 1)];
    await append(await sealedBatch(before), await sealedBatch(before));
    const old = await manifest(before, 100);
    await append(await sealedBatch(after, 3), await manifest(after, 50), old);
    expect(await streamsNow()).toMatchObject([{ rows: 3, batches: 1, watermark: 50 }]);
  });

  test('is found also where many batches lie behind the last manifest', async () => {
    await made();
    const sealer = sealerOf();
    await append(await sealedBatch(sealer), await manifest(sealer, 100));
    const repeated = await sealedBatch(sealer);
    await append(...Array.from({ length: 100 }, () => repeated));
    expect(await streamsNow()).toMatchObject([{ rows: 10, watermark: 100 }]);
  });
});
