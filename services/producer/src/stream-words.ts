import { partitionsOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { datasetTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import type { Logger } from '@strongroom/runtime/logger';
import type { PartyIdentity } from '@strongroom/sealing/identity';
import { createStreamSealer, type SealedRecord, type StreamSealer } from '@strongroom/sealing/seal';
import { checkOwner, chooseStream, verifyAgreement } from './agreement.ts';
import { Outbox, type OutboxOptions } from './outbox.ts';
import { Tally } from './publish-report.ts';
import { readStreamBack, type StreamPlaceOnLog } from './read-back.ts';
import { type Destination, sendGroups, sendPending } from './send-groups.ts';
import { checkStream, type StreamState } from './stream-state.ts';

/** What an owner says on its stream without a row: take a batch back, or nothing is new. */

export interface WordRequest {
  /** The parsed contract file. */
  readonly signedContract: unknown;
  readonly datasetId: string;
  /** `--stream`; the only one when absent. */
  readonly stream?: string | undefined;
  readonly identity: PartyIdentity;
  readonly stateFolder: string;
  readonly outbox?: OutboxOptions;
  readonly log: RecordLog;
  readonly namespace?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface WordReport {
  readonly dataset: string;
  readonly stream: string;
  readonly watermark: number | null;
}

/**
 * Takes a batch back, by its sequence number. It has no effect, and a worker says so with a code,
 * once a window that holds any of its rows has closed.
 * @throws ERR_STREAM_NOT_FOUND, ERR_STREAM_ENDED, ERR_RETRACTION_UNKNOWN, and those of publishing
 */
export async function retractBatch(
  request: WordRequest,
  sequence: number,
): Promise<WordReport & { readonly sequence: number; readonly rows: number }> {
  let rows = 0;
  const report = await speak(request, async ({ sealer, state, place }) => {
    const found = await readStreamBack(place);
    const taken = found?.batches.find(({ seal }) => seal.sequence === sequence);
    if (!taken || found?.retracted.has(sequence)) {
      const { dataset, stream } = state;
      throw new StrongroomError('ERR_RETRACTION_UNKNOWN', { dataset, stream, sequence });
    }
    ({ rows } = taken.seal);
    const retraction = await sealer.retract({ sequence, seal: taken.hash });
    const { watermark } = state;
    return { watermark, records: [retraction, await sealer.manifest({ watermark, final: false })] };
  });
  return { ...report, sequence, rows };
}

/**
 * Says that there is nothing new, so that windows of other inputs need not wait.
 * @param watermark every row with an earlier event time was sent; null to say nothing of it
 * @throws ERR_STREAM_NOT_FOUND, ERR_STREAM_ENDED, ERR_USAGE, and what publishing throws
 */
export async function sendHeartbeat(
  request: WordRequest,
  watermark: number | null,
): Promise<WordReport> {
  return speak(request, async ({ sealer, state, place }) => {
    if (watermark !== null && place.agreement.dataset.eventTime === undefined) {
      throw new StrongroomError('ERR_USAGE', { problem: 'the dataset has no event time' });
    }
    // What was promised is not taken back.
    const known = Math.max(watermark ?? -Infinity, state.watermark ?? -Infinity);
    const said = known === -Infinity ? null : known;
    return { watermark: said, records: [await sealer.manifest({ watermark: said, final: false })] };
  });
}

interface Speaking {
  readonly sealer: StreamSealer;
  readonly state: StreamState;
  readonly place: StreamPlaceOnLog;
}

/** Nobody else publishes meanwhile, and what an earlier run has left is sent first. */
async function speak(
  request: WordRequest,
  words: (on: Speaking) => Promise<{ watermark: number | null; records: SealedRecord[] }>,
): Promise<WordReport> {
  const { log, logger, clock, identity, namespace } = request;
  const agreement = await verifyAgreement(request.signedContract, request.datasetId);
  checkOwner(agreement, identity);
  const { dataset, contractId } = agreement;
  const chosen = chooseStream(dataset, request.stream);
  const outbox = await Outbox.open(request.stateFolder, request.outbox);
  try {
    const { state } = outbox;
    if (!state) throw new StrongroomError('ERR_STREAM_NOT_FOUND', { dataset: dataset.id });
    checkStream(state, agreement, chosen.id);
    const { stream, epoch, point } = state;
    const topic = datasetTopic(contractId, dataset.id, namespace);
    await log.createTopics([{ topic, partitions: partitionsOf(dataset) }]);
    const { partition } = chosen;
    const tally = new Tally(clock, state);
    const destination: Destination = { outbox, log, topic, partition, logger, tally };
    await sendPending(destination);
    if (state.final) throw new StrongroomError('ERR_STREAM_ENDED', { dataset: dataset.id, stream });
    const { signer, party: kid } = identity;
    const sealer = createStreamSealer({
      ...{ contractId, dataset, stream, epoch, point, signer, kid, clock },
    });
    const place = { log, topic, agreement, chosen: { id: stream, partition } };
    const { watermark, records } = await words({ sealer, state, place });
    const next = { ...state, group: state.group + 1, point: sealer.point(), watermark };
    await sendGroups([{ state: next, records }], destination);
    return { dataset: dataset.id, stream, watermark };
  } finally {
    await outbox.close();
  }
}
