import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { RecordLog } from '@strongroom/record-log/log';
import { describe, it } from 'vitest';
import type { PartitionLog } from '../scripted-broker/partition-log.ts';
import {
  type ScriptedBroker,
  type ScriptedBrokerOptions,
  startScriptedBroker,
} from '../scripted-broker/scripted-broker.ts';
import { hostileBytesSuite, patienceSuite } from './hostile-bytes.ts';
import { isolationSuite } from './isolation.ts';
import { lineageSuite } from './lineage.ts';
import { sendsSuite } from './sends.ts';
import { transactionsSuite } from './transactions.ts';

/**
 * What a client of Kafka must survive: every defect that kafkajs or another client is known to have
 * is a vector here, under the name that it has in `docs/record-log.md` (K and B with a number).
 * Answers are scripted, on the wire; whatever client is behind the port has to behave.
 */
export interface FaultSuiteOptions {
  connect(brokers: readonly string[]): Promise<RecordLog>;
  /**
   * Vectors that this client is known to fail, by their names: `fails` is run, and one that passes
   * after all is told; `ends` would end or starve the process of the tests, and is not run.
   */
  readonly failing?: Readonly<Record<string, 'fails' | 'ends'>>;
}

export interface Stage {
  readonly log: RecordLog;
  readonly scripted: ScriptedBroker;
  /** Another client of the same cluster. */
  connect(): Promise<RecordLog>;
  newTopic(partitions?: number): Promise<string>;
}

export type Vector = (
  name: string,
  options: ScriptedBrokerOptions,
  run: (stage: Stage) => Promise<void>,
) => void;

export function recordLogFaultSuite(name: string, options: FaultSuiteOptions): void {
  const { connect, failing = {} } = options;
  const vector: Vector = (words, scripted, run) => {
    const test = { fails: it.fails, ends: it.skip, holds: it }[failing[words] ?? 'holds'];
    test(words, () => onStage(connect, scripted, run), VECTOR_MS_MAX);
  };
  // Each has a cluster of its own, and most of them wait.
  describe.concurrent(`record log under faults: ${name}`, () => {
    patienceSuite(vector);
    sendsSuite(vector);
    transactionsSuite(vector);
    lineageSuite(vector);
    isolationSuite(vector);
    hostileBytesSuite(vector);
  });
}

const VECTOR_MS_MAX = 60_000;

async function onStage(
  connect: FaultSuiteOptions['connect'],
  options: ScriptedBrokerOptions,
  run: (stage: Stage) => Promise<void>,
): Promise<void> {
  const scripted = await startScriptedBroker(options);
  const opened: RecordLog[] = [];
  const connectAnother = async () => {
    const log = await connect(scripted.brokers.split(','));
    opened.push(log);
    return log;
  };
  try {
    const log = await connectAnother();
    const newTopic = async (partitions = 1) => {
      const topic = `faults.${randomUUID()}`;
      await log.createTopics([{ topic, partitions }]);
      return topic;
    };
    await run({ log, scripted, connect: connectAnother, newTopic });
  } finally {
    await Promise.all(opened.map((log) => log.close()));
    await scripted.close();
  }
}

export function partitionOf({ scripted }: Stage, topic: string, partition = 0): PartitionLog {
  const found = scripted.cluster.topics.get(topic)?.partitions[partition];
  assert(found !== undefined, 'the topic was created');
  return found;
}

/** What became of a call, for outcomes of which several are right. */
export function outcomeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'resolved',
    (error: unknown) =>
      typeof error === 'object' && error !== null && 'code' in error
        ? String(error.code)
        : String(error),
  );
}
