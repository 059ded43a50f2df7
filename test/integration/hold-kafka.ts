import { startLocalKafka } from '@strongroom/record-log/local-kafka';

/** Starts Kafka in the folder that is named, says where it is, and waits to be killed. */
const [folder = ''] = process.argv.slice(2);
const { brokers } = await startLocalKafka({ folder });
process.stdout.write(`${brokers}\n`);
setInterval(() => undefined, 60_000);
