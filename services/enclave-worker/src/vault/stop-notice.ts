import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { StreamState } from '@strongroom/protocol/checkpoint';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import { STOP_NOTICE_JWS_TYPE, type StopNotice } from '@strongroom/protocol/stop-notice';
import type { ResultProof } from './seal-aggregate.ts';

/** The last word of a vault. @returns a compact JWS */
export function signStopNotice(
  { signer, contractId, epoch, token }: ResultProof,
  stop: Pick<StopNotice, 'stoppedBy' | 'at' | 'successor' | 'streams'>,
): Promise<string> {
  const notice: StopNotice = { v: 1, contract: contractId, epoch, token, ...stop };
  const header = { typ: STOP_NOTICE_JWS_TYPE, kid: AGGREGATE_KID };
  return signer.sign(canonicalBytes(notice), header);
}

/** How far a stream was counted; nothing for one that was never seen. */
export function countedIn(state: StreamState | undefined): StopNotice['streams'] {
  if (!state) return [];
  const { dataset, stream, counted } = state;
  return [{ dataset, stream, sequences: counted.sequence, rows: counted.rows }];
}
