import { ERRORS } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { quarantineTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import type { LogEntry, LogRecord, RecordLog } from '@strongroom/record-log/log';
import type { EntryOutcome } from './vault/door.ts';

/**
 * Sets refused records aside, with their code and origin. Nothing depends on this topic: it is for
 * people, and after a restart a record may lie there twice.
 */
export async function quarantine(
  log: RecordLog,
  where: { readonly contractId: ContractId; readonly namespace: string },
  entries: readonly LogEntry[],
  outcomes: readonly EntryOutcome[],
): Promise<void> {
  const records = entries.flatMap((entry, index) => {
    const outcome = outcomes[index];
    const code = outcome?.code;
    if (code === undefined || outcome?.again) return [];
    return ERRORS[code].disposition === 'quarantine' ? [quarantineRecord(entry, code)] : [];
  });
  if (records.length === 0) return;
  await log.append(quarantineTopic(where.contractId, where.namespace), records);
}

/** A record near the limit has no room for more headers: then its value stays behind. */
const VALUE_BYTES_MAX = 950_000;
const HEADERS_CHARACTERS_MAX = 32_768;

function quarantineRecord(entry: LogEntry, code: string): LogRecord {
  const { key, value, headers, topic, partition, offset } = entry;
  const characters = Object.entries(headers).flat().join('').length;
  return {
    key,
    value: value.length > VALUE_BYTES_MAX ? new Uint8Array(0) : value,
    headers: {
      ...(characters > HEADERS_CHARACTERS_MAX ? {} : headers),
      ce_type: RECORD_TYPES.quarantine,
      error: code,
      origin: `${topic}/${partition}/${offset}`,
    },
  };
}
