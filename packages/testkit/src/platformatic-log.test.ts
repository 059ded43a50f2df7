import { afterAll, beforeAll, describe } from 'vitest';
import { connectPlatformaticLog } from './platformatic-log.ts';
import { recordLogFaultSuite } from './record-log-faults/suite.ts';
import { recordLogSuite } from './record-log-suite.ts';
import { type ScriptedBroker, startScriptedBroker } from './scripted-broker/scripted-broker.ts';

const connect = (brokers: readonly string[]) =>
  connectPlatformaticLog({ brokers, clientId: 'fault-suite' });

describe('@platformatic/kafka', () => {
  let scripted: ScriptedBroker;
  beforeAll(async () => {
    scripted = await startScriptedBroker();
  });
  afterAll(() => scripted.close());
  recordLogSuite('@platformatic/kafka on a scripted broker', () =>
    connect(scripted.brokers.split(',')),
  );
});

recordLogFaultSuite('@platformatic/kafka', {
  connect,
  failing: {
    'L1: never shows what a killed node left open without a mark': 'fails',
    'B11 K12: never unpacks a bomb': 'ends',
    'K12: refuses records that gzip has packed': 'fails',
    'K12: reads all after a flipped bit': 'fails',
    'K12: reads all after a record of 2,147,483,647 headers': 'fails',
    'K12: reads all after an answer of a negative length': 'ends',
  },
});
