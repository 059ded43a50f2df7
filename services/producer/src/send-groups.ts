import { codeOf } from '@strongroom/protocol/errors';
import type { LogRecord, RecordLog } from '@strongroom/record-log/log';
import type { Logger } from '@strongroom/runtime/logger';
import type { Span, Tracing } from '@strongroom/runtime/tracing';
import type { SealedGroup } from './group-file.ts';
import type { Outbox } from './outbox.ts';
import type { Tally } from './publish-report.ts';

export interface Destination {
  readonly outbox: Outbox;
  readonly log: RecordLog;
  readonly topic: string;
  readonly partition: number;
  readonly tally: Tally;
  readonly logger: Logger;
  /** Absent: nobody wants to know. */
  readonly tracing?: Tracing | undefined;
}

/**
 * Writes each group to the outbox and sends it. One group is on its way while the next one is read,
 * sealed and written; a third one waits.
 */
export async function sendGroups(
  groups: AsyncIterable<SealedGroup> | Iterable<SealedGroup>,
  destination: Destination,
): Promise<void> {
  const { outbox } = destination;
  let sending: Promise<void> = Promise.resolve();
  try {
    for await (const group of groups) {
      if (group.records.length > 0) await outbox.put(group);
      await sending;
      sending = sendGroup(group, destination, false);
      // Awaited when the next group is there; a failure must not count as unhandled before.
      sending.catch(() => undefined);
    }
  } catch (error) {
    // Whatever ends the loop, nothing is on its way any more when the state folder is given free.
    await sending.catch(() => undefined);
    throw error;
  }
  await sending;
}

/** Sends what an earlier run had written to the outbox: the very same bytes, in the same order. */
export async function sendPending(destination: Destination): Promise<void> {
  for (const group of [...destination.outbox.pending]) await sendGroup(group, destination, true);
}

async function sendGroup(
  group: SealedGroup,
  destination: Destination,
  again: boolean,
): Promise<void> {
  const { outbox, tally, logger } = destination;
  const { state, records } = group;
  const span = records.length > 0 ? beginSpan(group, destination) : undefined;
  if (records.length > 0) await append(records, span, destination);
  await outbox.sent(group);
  tally.sent(group, again);
  logger.debug(again ? 'group-sent-again' : 'group-sent', {
    dataset: state.dataset,
    sequence: state.point.sequence,
    rows: state.point.rows,
    count: records.length,
    ...span?.ids,
  });
}

function beginSpan({ state, records }: SealedGroup, { tracing, topic, partition }: Destination) {
  return tracing?.begin({
    operation: 'publish',
    destination: topic,
    attributes: {
      'messaging.batch.message_count': records.length,
      'messaging.destination.partition.id': `${partition}`,
      'strongroom.dataset': state.dataset,
    },
  });
}

/** What is in the outbox has no hint of a trace: each sending is a span of its own. */
async function append(
  records: readonly LogRecord[],
  span: Span | undefined,
  { log, topic, partition }: Destination,
): Promise<void> {
  const traced =
    span === undefined
      ? records
      : records.map((record) => ({ ...record, trace: span.traceparent }));
  try {
    await log.append(topic, traced, partition);
    span?.end();
  } catch (error) {
    span?.end(codeOf(error) ?? 'ERR_INTERNAL');
    throw error;
  }
}
