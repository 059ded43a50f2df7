import { createTokenShelf, type TokenShelf } from '@strongroom/attestation/token-shelf';
import type { ProofOptions } from '@strongroom/attestation/worker-proof';
import { codeOf } from '@strongroom/protocol/errors';
import { aggregatesTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import { awaitTopic } from '@strongroom/record-log/await-topic';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { verifyStopNotice } from '@strongroom/sealing/notice';

/**
 * The first stop notice on the log that a proven worker signed; anybody can put a bad one before
 * it, which is passed over. The log is read from its beginning: proofs come before what they prove.
 * @returns undefined when the signal came first
 * @throws ERR_LOG_*
 */
export async function awaitNotice(
  log: RecordLog,
  namespace: string,
  proving: ProofOptions,
  signal: AbortSignal,
): Promise<StopNotice | undefined> {
  const topic = aggregatesTopic(proving.contractId, namespace);
  const tokens = createTokenShelf(proving);
  await awaitTopic(log, topic, signal);
  if (signal.aborted) return undefined;
  for await (const entries of log.read([{ topic, offset: 0 }], { signal })) {
    for (const entry of entries) {
      const notice = await noticeIn(entry, tokens, proving);
      if (notice) return notice;
    }
  }
  return undefined;
}

async function noticeIn(
  { headers, value }: LogEntry,
  tokens: TokenShelf,
  proving: ProofOptions,
): Promise<StopNotice | undefined> {
  const type = headers['ce_type'];
  if (type === RECORD_TYPES.token) await tokens.add(value);
  if (type !== RECORD_TYPES.notice) return undefined;
  const aggregateKeyOf = (token: string) => tokens.proofOf(token).aggregatesKey;
  try {
    return await verifyStopNotice(value, { ...proving, aggregateKeyOf });
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}
