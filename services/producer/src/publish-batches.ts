import { StrongroomError } from '@strongroom/protocol/errors';
import { checkOwner, chooseStream } from './agreement.ts';
import { openSource } from './batch-source.ts';
import { demandForms } from './canonical-texts.ts';
import { sourceOptions } from './check-source.ts';
import { createDatasetTopic } from './dataset-topic.ts';
import { agreementFor, checkVersion } from './newest-version.ts';
import { Outbox } from './outbox.ts';
import { publishCollection } from './publish-collection.ts';
import { publishGrowing } from './publish-growing.ts';
import { type PublishReport, Tally } from './publish-report.ts';
import { type PublishRequest, publishSource, type Run, sendRest } from './publish-source.ts';
import { isOnLog, readStreamBack } from './read-back.ts';
import { openingGroup, passPublished, stateOf } from './recover-stream.ts';
import { type Destination, sendGroups, sendPending } from './send-groups.ts';
import { identifySource, type KnownSource } from './source-format.ts';
import type { SourceInput } from './source-input.ts';
import { planSource } from './source-plan.ts';
import { newStream } from './stream-state.ts';

/**
 * Publishes the rows of a source as one stream of sealed batches, each row once: what an earlier
 * run has begun is finished first, byte for byte, and then the source is read on from where that
 * run was. Stops early, resumably and without an error, when the signal aborts.
 * @throws ERR_CONTRACT_*, ERR_DATASET_UNKNOWN, ERR_IDENTITY_MISMATCH, ERR_STATE_*,
 *   ERR_SOURCE_*, ERR_COLUMN_*, ERR_JOIN_KEY_MISSING, ERR_EVENT_TIME_MISSING, ERR_LATE_ROWS,
 *   ERR_BATCH_TOO_LARGE,
 *   ERR_DISK_FULL, ERR_LOG_*
 */
export async function publishBatches(request: PublishRequest): Promise<PublishReport> {
  const agreement = await agreementFor(request);
  checkOwner(agreement, request.identity);
  demandForms(agreement.dataset, request);
  const chosen = chooseStream(agreement.dataset, request.stream);
  const outbox = await Outbox.open(request.stateFolder, request.outbox);
  try {
    const state = outbox.state ?? newStream(agreement, chosen.id);
    await checkVersion(request.stateFolder, state, agreement, chosen.id);
    const resumed = outbox.state !== undefined;
    const run: Run = { request, agreement, chosen, outbox, state, resumed };
    const destination = await openTopic(run);
    await sendPending(destination);
    const { input } = request;
    if (input.type === 'collection') {
      await publishCollection(run, input, destination);
      return destination.tally.report(run.resumed);
    }
    if (input.type === 'growing') {
      await publishGrowing(run, input, destination);
      return destination.tally.report(run.resumed);
    }
    const source = await lookAtSource(input, request);
    if (source === 'stopped') return destination.tally.report(run.resumed);
    if (request.recover && !run.resumed) return await recover(run, source, destination);
    const { columns, final, csv } = request;
    const plan = await planSource(source, agreement.dataset, columns, state, final, csv);
    if (!plan.published) await publishSource(run, source, plan, destination);
    return destination.tally.report(run.resumed);
  } finally {
    await outbox.close();
  }
}

async function openTopic({ request, agreement, chosen, outbox, state, resumed }: Run) {
  const { log, logger, namespace } = request;
  const topic = await createDatasetTopic(log, agreement, namespace);
  const { partition } = chosen;
  const { dataset, stream, epoch, point } = state;
  const at = { dataset, stream, epoch, sequence: point.sequence, topic, partition };
  logger.info(resumed ? 'stream-resumed' : 'stream-begun', at);
  const end = resumed ? 0 : await log.endOffset(topic, partition);
  // A worker counts one stream of a dataset and refuses a second one. What lies there may also be
  // somebody else's, so this is no error.
  if (end > 0 && !request.recover) {
    logger.warn('topic-not-empty', { dataset, topic, partition, offset: end });
    // A second beginning under a name of the contract would be a second history.
    const place = { log, topic, chosen, agreement };
    if (chosen.id !== undefined && (await isOnLog(place))) {
      throw new StrongroomError('ERR_STREAM_BEGUN', { dataset, stream });
    }
  }
  const tally = new Tally(request.clock, state, request.onProgress);
  const { tracing } = request;
  return { outbox, log, topic, partition, logger, tally, tracing } satisfies Destination;
}

/** The state folder is lost: the log says how far the stream came, and the source goes on there. */
async function recover(
  run: Run,
  source: KnownSource,
  destination: Destination,
): Promise<PublishReport> {
  const { request, agreement, chosen, outbox } = run;
  const { dataset } = agreement;
  const { log, topic } = destination;
  const found = await readStreamBack({ log, topic, chosen, agreement });
  if (!found) throw new StrongroomError('ERR_STREAM_NOT_FOUND', { dataset: dataset.id });
  const { columns, final, csv } = request;
  const plan = await planSource(source, dataset, columns, run.state, final, csv);
  const cut = found.batches.map(({ seal }) => seal.rows);
  const opened = await openSource({ ...sourceOptions(request, dataset, source, 0), cut });
  try {
    const rest = await passPublished(opened, found);
    const { fingerprint } = plan;
    const { cursor } = rest;
    const before = stateOf(found, run.state, { fingerprint, cursor });
    if (before.final) await outbox.begin(before);
    else {
      const opening = await openingGroup(before, found, request, agreement);
      await sendGroups([opening], { ...destination, tally: new Tally(request.clock, before) });
    }
    const state = outbox.state ?? before;
    const tally = new Tally(request.clock, state, request.onProgress);
    tally.lacks(opened.absentColumns);
    if (!state.final) {
      const again = { ...run, state, resumed: true };
      await sendRest(again, rest, cursor, fingerprint, { ...destination, tally });
    }
    return tally.report(true);
  } finally {
    await opened.close();
  }
}

/** Standard input may be silent for ever: being told to stop ends the waiting. */
async function lookAtSource(
  input: SourceInput,
  { format, signal }: PublishRequest,
): Promise<KnownSource | 'stopped'> {
  const cancel = () => input.type === 'stream' && input.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await identifySource(input, format);
  } catch (error) {
    if (signal.aborted) return 'stopped';
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
