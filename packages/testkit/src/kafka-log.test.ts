import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { recordLogFaultSuite } from './record-log-faults/suite.ts';

recordLogFaultSuite('kafkajs', {
  connect: (brokers) => connectKafkaLog({ brokers, clientId: 'fault-suite' }),
});
