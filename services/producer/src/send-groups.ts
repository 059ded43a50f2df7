import type { RecordLog } from '@strongroom/record-log/log';
import type { Logger } from '@strongroom/runtime/logger';
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
  { outbox, log, topic, partition, tally, logger }: Destination,
  again: boolean,
): Promise<void> {
  const { state, records } = group;
  if (records.length > 0) await log.append(topic, records, partition);
  await outbox.sent(group);
  tally.sent(group, again);
  logger.debug(again ? 'group-sent-again' : 'group-sent', {
    dataset: state.dataset,
    sequence: state.point.sequence,
    rows: state.point.rows,
    count: records.length,
  });
}
