import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { afterAll, beforeAll, describe } from 'vitest';
import { recordLogSuite } from '../record-log-suite.ts';
import { type ScriptedBroker, startScriptedBroker } from './scripted-broker.ts';

/**
 * Without a script the double behaves as the real Kafka does in `test/integration`: the same suite,
 * through the same client.
 */
describe.each([1, 2])('a scripted broker of %i nodes, without a script', (nodes) => {
  let scripted: ScriptedBroker;
  beforeAll(async () => {
    scripted = await startScriptedBroker({ nodes });
  });
  afterAll(() => scripted.close());
  recordLogSuite('kafkajs on a scripted broker', () =>
    connectKafkaLog({ brokers: scripted.brokers.split(','), clientId: 'suite' }),
  );
});
