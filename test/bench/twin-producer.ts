import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { datasetOf } from '@strongroom/protocol/contract';
import { ROWS_PER_BATCH_DEFAULT } from '@strongroom/protocol/limits';
import { datasetTopic } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogRecord } from '@strongroom/record-log/log';
import { verifyContract } from '@strongroom/sealing/verify';
import { openSource } from '../../services/producer/src/batch-source.ts';
import { parseColumnMapping } from '../../services/producer/src/column-mapping.ts';
import { identifySource } from '../../services/producer/src/source-format.ts';
import { openInput } from '../../services/producer/src/source-input.ts';
import { TWIN_HEADERS } from './twin-headers.ts';

/** The producer's plaintext twin: the same batches to the same Kafka; no seal, no outbox. */

const GROUP_RECORDS = 32;

const { values } = parseArgs({
  options: {
    contract: { type: 'string', default: '' },
    brokers: { type: 'string', default: '' },
    namespace: { type: 'string', default: '' },
    dataset: { type: 'string', default: '' },
    source: { type: 'string', default: '' },
    columns: { type: 'string', default: '' },
    'batch-rows': { type: 'string', default: `${ROWS_PER_BATCH_DEFAULT}` },
  },
});

const text = await readFile(values.contract, 'utf8');
const { contract, contractId } = await verifyContract(JSON.parse(text));
const dataset = datasetOf(contract, values.dataset);
const topic = datasetTopic(contractId, dataset.id, values.namespace);
const log = await connectKafkaLog({
  brokers: values.brokers.split(','),
  clientId: 'twin-producer',
});
const source = await openSource({
  dataset,
  source: await identifySource(await openInput(values.source), 'auto'),
  columns: parseColumnMapping(values.columns, dataset),
  batchRows: Number(values['batch-rows']),
});
let sending: Promise<void> = Promise.resolve();
let group: LogRecord[] = [];
let bytes = 0;
for await (const arrowBatch of source) {
  const watermark = String(arrowBatch.eventTime?.max ?? '');
  const headers = {
    [TWIN_HEADERS.earliest]: String(arrowBatch.eventTime?.min ?? ''),
    [TWIN_HEADERS.watermark]: watermark,
    [TWIN_HEADERS.rows]: `${arrowBatch.rows}`,
  };
  group.push({ key: null, value: arrowBatch.bytes, headers });
  bytes += arrowBatch.bytes.length;
  if (group.length < GROUP_RECORDS) continue;
  await sending;
  sending = log.append(topic, group);
  group = [];
}
await sending;
const end = { key: null, value: new Uint8Array(0), headers: { [TWIN_HEADERS.final]: 'true' } };
await log.append(topic, [...group, end]);
await source.close();
await log.close();
process.stdout.write(`${JSON.stringify({ bytes })}\n`);
