import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { NOTICE_BYTES_MAX } from '@strongroom/protocol/limits';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import {
  STOP_NOTICE_JWS_TYPE,
  type StopNotice,
  StopNoticeSchema,
} from '@strongroom/protocol/stop-notice';
import { splitCompactJws, verifyCompact } from './compact-jws.ts';
import { parsePayload } from './payload.ts';

const INVALID = 'ERR_NOTICE_INVALID';
const CODES = { malformed: INVALID, algorithm: INVALID, signature: INVALID } as const;

export interface NoticeContext {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /**
   * The key that signs the results of the worker with this proof, which the caller has verified.
   * What it throws is thrown on.
   */
  readonly aggregateKeyOf: (tokenSha256: string) => SigningKey;
}

/**
 * Verifies the last word of a vault as its results are: the notice names a proof, and is signed by
 * the key that this proof binds.
 * @param value of a notice's record
 * @throws ERR_NOTICE_INVALID, ERR_CONTRACT_MISMATCH, ERR_SEAL_VERSION
 */
export async function verifyStopNotice(
  value: Uint8Array,
  { contract, contractId, aggregateKeyOf }: NoticeContext,
): Promise<StopNotice> {
  if (value.length > NOTICE_BYTES_MAX) {
    throw new StrongroomError(INVALID, { limit: 'NOTICE_BYTES_MAX' });
  }
  const jws = new TextDecoder().decode(value);
  const parts = splitCompactJws(jws);
  if (!parts) throw new StrongroomError(INVALID, { part: 'compact form' });
  const notice = parsePayload(parts.payload, StopNoticeSchema, INVALID);
  const key = aggregateKeyOf(notice.token);
  await verifyCompact(jws, { typ: STOP_NOTICE_JWS_TYPE, kid: AGGREGATE_KID, key }, CODES);
  if (notice.contract !== contractId) {
    throw new StrongroomError('ERR_CONTRACT_MISMATCH', { found: notice.contract });
  }
  if (!isOf(contract, notice)) throw new StrongroomError(INVALID, { part: 'parties or datasets' });
  if (Number.isNaN(new Date(notice.at).getTime()))
    throw new StrongroomError(INVALID, { part: 'at' });
  return notice;
}

/** An owner that keeps a lease can end the contract, and no other party; its datasets are known. */
function isOf(contract: Contract, { stoppedBy, streams }: StopNotice): boolean {
  const owner = contract.parties.find(({ id }) => id === stoppedBy);
  const known = new Set<string>(contract.datasets.map(({ id }) => id));
  return (
    owner?.keyRelease?.lease !== undefined && streams.every(({ dataset }) => known.has(dataset))
  );
}

/** What a notice says, for a person: how far each stream was counted, and who ended it. */
export function stopLines({ stoppedBy, at, successor, streams }: StopNotice): string[] {
  const ended =
    successor === undefined
      ? `ended by owner ${stoppedBy}`
      : `superseded by ${successor}, which owner ${stoppedBy} has approved`;
  const lines = streams.map(
    ({ dataset, stream, sequences, rows }) =>
      `${dataset}: stopped at sequence ${sequences} of stream ${stream} (${rows} rows), ${ended}`,
  );
  const when = `by that owner's clock at ${new Date(at).toISOString()}`;
  return [...lines, `${lines.length === 0 ? 'nothing was counted; ' : ''}${ended}, ${when}`];
}
