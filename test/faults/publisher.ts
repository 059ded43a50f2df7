import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '@strongroom/protocol/errors';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { parseIdentity } from '@strongroom/sealing/identity';
import { publishBatches } from '../../services/producer/src/publish-batches.ts';
import { openInput } from '../../services/producer/src/source-input.ts';
import { identityFile } from '../deployment/organisations.ts';
import { type Deployment, stateFolder } from '../deployment/pipeline.ts';
import { fingerprint } from './fingerprint.ts';
import type { Acknowledgement } from './history.ts';
import type { Owner } from './rows.ts';

const BATCH_ROWS = 50;
const RETRY_MS = 300;
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** The owners' producers, part by part; a part is published again until all of it is out. */
export class Publisher {
  readonly #deployment: Deployment;
  readonly #parts: Readonly<Record<Owner, readonly string[]>>;
  readonly #signal: AbortSignal;
  readonly acknowledged: Acknowledgement[] = [];
  #clients = 0;

  constructor(
    deployment: Deployment,
    parts: Readonly<Record<Owner, readonly string[]>>,
    signal: AbortSignal,
  ) {
    this.#deployment = deployment;
    this.#parts = parts;
    this.#signal = signal;
  }

  /** Every owner's rows of one window. */
  async publish(part: number): Promise<void> {
    const owners = Object.keys(this.#parts) as Owner[];
    await Promise.all(owners.map((owner) => this.#publishPart(owner, part)));
  }

  async #publishPart(owner: Owner, part: number): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        return await this.#attempt(owner, part);
      } catch (error) {
        if (codeOf(error)?.startsWith('ERR_LOG_') !== true) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  async #attempt(owner: Owner, part: number): Promise<void> {
    const { folders, agreement, brokers, namespace } = this.#deployment;
    const datasetId = `visits-${owner}`;
    const log = await connectKafkaLog({ brokers: [brokers], clientId: `producer-${owner}` });
    this.#clients += 1;
    try {
      await publishBatches({
        signedContract: agreement.signed,
        datasetId,
        input: await openInput(this.#parts[owner][part] ?? ''),
        format: 'csv',
        batchRows: BATCH_ROWS,
        rule: { lagMs: 0, allowLate: false },
        signal: this.#signal,
        identity: parseIdentity(await readFile(identityFile(folders, owner), 'utf8')),
        final: part === this.#parts[owner].length - 1,
        checkFirst: false,
        stateFolder: stateFolder(this.#deployment, datasetId),
        log: this.#noting(log, `${owner}-${this.#clients}`),
        namespace,
        clock: systemClock,
        logger: SILENT,
      });
    } finally {
      await log.close();
    }
  }

  #noting(log: RecordLog, writer: string): RecordLog {
    return {
      ...log,
      append: async (topic, records, partition) => {
        await log.append(topic, records, partition);
        const values = records.map((record) => fingerprint(record));
        this.acknowledged.push({ writer, topic, values });
      },
    };
  }
}
