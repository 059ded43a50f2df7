import { toTransactionError } from './kafka-errors.ts';
import type { RecordLog, TransactionalWriter } from './log.ts';
import { LogError } from './log-error.ts';
import { splitByTopic } from './record-requests.ts';

/**
 * Writes where the log has no transactions: topic after topic, in the order in which they are
 * given. What was begun and did not end is seen by everybody, and an older writer is not fenced: it
 * is for who writes with it to make sure that it does no harm (ADR 0039).
 */
export function appendingWriter(append: RecordLog['append']): TransactionalWriter {
  let closedOrBusy = false;
  return {
    async commit(topic, records, beside = []) {
      const parts = [{ topic, records }, ...beside];
      // For what it refuses, before anything is written.
      splitByTopic(parts);
      if (closedOrBusy) throw new LogError('ERR_LOG_FAILED', { reason: 'CLOSED_OR_BUSY' });
      closedOrBusy = true;
      for (const part of parts) {
        try {
          await append(part.topic, part.records);
        } catch (error) {
          throw toTransactionError(error, { topic: part.topic });
        }
      }
      closedOrBusy = false;
      return {};
    },
    async close() {
      closedOrBusy = true;
    },
  };
}
