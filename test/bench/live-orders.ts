import { readFile } from 'node:fs/promises';
import { datasetOf } from '@strongroom/protocol/contract';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { datasetTopic } from '@strongroom/protocol/record';
import type { LogRecord, RecordLog } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { parseIdentity } from '@strongroom/sealing/identity';
import {
  createStreamSealer,
  newStreamId,
  type StreamSealer,
  streamStart,
} from '@strongroom/sealing/seal';
import { identityFile } from '../deployment/organisations.ts';
import type { Deployment } from '../deployment/pipeline.ts';
import type { OrderMaker } from './order-batches.ts';
import { ORDER_HOUR_MS } from './orders.ts';

const FIRST_HOUR = Math.floor(1_700_000_000_000 / ORDER_HOUR_MS);

/** The shop's producer inside of a bench, which says when each window is closed. */
export class LiveOrders {
  readonly #log: RecordLog;
  readonly #topic: string;
  readonly #sealer: StreamSealer;

  private constructor(log: RecordLog, topic: string, sealer: StreamSealer) {
    this.#log = log;
    this.#topic = topic;
    this.#sealer = sealer;
  }

  static async open({ agreement, folders, log, namespace }: Deployment): Promise<LiveOrders> {
    const { contract, contractId } = agreement;
    const dataset = datasetOf(contract, 'orders');
    const identity = parseIdentity(await readFile(identityFile(folders, dataset.owner), 'utf8'));
    const at = { contract: contractId, dataset: dataset.id, stream: newStreamId(), epoch: 0 };
    const sealer = createStreamSealer({
      ...{ contractId, dataset, stream: at.stream, epoch: at.epoch, point: streamStart(at) },
      ...{ signer: identity.signer, kid: PartyIdSchema.parse(identity.party), clock: systemClock },
    });
    return new LiveOrders(log, datasetTopic(contractId, dataset.id, namespace), sealer);
  }

  /** Batch `index` of so many of an hour. */
  async publish(hour: number, maker: OrderMaker, index: number, batches: number): Promise<void> {
    const times = [index, index + 1].map(
      (each) => windowStart(hour) + Math.floor((each * ORDER_HOUR_MS) / batches),
    );
    const { bytes, eventTime } = maker.batch(times[0] ?? 0, times[1] ?? 0);
    const { record } = await this.#sealer.seal(bytes, { rows: maker.rows, eventTime });
    await this.#log.append(this.#topic, [record]);
  }

  /** What completes an hour; nothing of it is on its way before `send` is called. */
  async closing(hour: number, final = false): Promise<{ send: () => Promise<void> }> {
    const watermark = windowStart(hour + 1);
    const record: LogRecord = await this.#sealer.manifest({ watermark, final });
    return { send: () => this.#log.append(this.#topic, [record]) };
  }
}

/** The bench counts its hours from 0. */
function windowStart(hour: number): number {
  return (FIRST_HOUR + hour) * ORDER_HOUR_MS;
}

export function hourOf(start: number): number {
  return start / ORDER_HOUR_MS - FIRST_HOUR;
}
