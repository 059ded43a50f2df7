import { createInterface } from 'node:readline';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { LogError } from '@strongroom/record-log/log-error';

/**
 * A writer that is a process: it takes over the id, commits each line that it is given, and says
 * what became of it.
 */
const [brokers = '', topic = '', transactionalId = ''] = process.argv.slice(2);

const log = await connectKafkaLog({ brokers: brokers.split(','), clientId: 'record-log-writer' });
const writer = await log.transaction(transactionalId);
process.stdout.write('open\n');
for await (const line of createInterface({ input: process.stdin })) {
  const record = { key: 'stream', value: Buffer.from(line), headers: {} };
  const outcome = await writer.commit(topic, [record]).then(
    () => 'committed',
    (error: unknown) => (error instanceof LogError ? error.code : 'thrown'),
  );
  process.stdout.write(`${line} ${outcome}\n`);
}
await log.close();
