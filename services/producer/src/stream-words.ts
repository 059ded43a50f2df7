import { StrongroomError } from '@strongroom/protocol/errors';
import { createStreamSealer, type SealedRecord, type StreamSealer } from '@strongroom/sealing/seal';
import { checkOwner, chooseStream, type StreamRequest } from './agreement.ts';
import { createDatasetTopic } from './dataset-topic.ts';
import { agreementFor, checkVersion } from './newest-version.ts';
import { Outbox } from './outbox.ts';
import { Tally } from './publish-report.ts';
import { readStreamBack, type StreamPlaceOnLog } from './read-back.ts';
import { type Destination, sendGroups, sendPending } from './send-groups.ts';
import type { StreamState } from './stream-state.ts';

/** What an owner says on its stream without a row: take a batch back, or nothing is new. */

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
  request: StreamRequest,
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
  request: StreamRequest,
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
  request: StreamRequest,
  words: (on: Speaking) => Promise<{ watermark: number | null; records: SealedRecord[] }>,
): Promise<WordReport> {
  const { log, logger, clock, identity, namespace, tracing } = request;
  const agreement = await agreementFor(request);
  checkOwner(agreement, identity);
  const { dataset, contractId } = agreement;
  const chosen = chooseStream(dataset, request.stream);
  const outbox = await Outbox.open(request.stateFolder, request.outbox);
  try {
    const { state } = outbox;
    if (!state) throw new StrongroomError('ERR_STREAM_NOT_FOUND', { dataset: dataset.id });
    await checkVersion(request.stateFolder, state, agreement, chosen.id);
    const { stream, epoch, point } = state;
    const topic = await createDatasetTopic(log, agreement, namespace);
    const { partition } = chosen;
    const tally = new Tally(clock, state);
    const destination: Destination = { outbox, log, topic, partition, logger, tally, tracing };
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
