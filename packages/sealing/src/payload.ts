import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';

export interface PayloadSchema<Payload> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: Payload }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[] }[] } };
}

/**
 * Canonical JSON of exactly the members of its version. The facts name our own members only: a
 * name that the writer invented could carry anything.
 * @throws ERR_SEAL_VERSION for a version that is a number and not 1, otherwise `malformed`
 */
export function parsePayload<Payload>(
  bytes: Uint8Array,
  payloadSchema: PayloadSchema<Payload>,
  malformed: ErrorCode,
): Payload {
  let value: unknown;
  try {
    value = parseCanonical(bytes);
  } catch {
    throw new StrongroomError(malformed, { part: 'payload' });
  }
  if (typeof value === 'object' && value !== null && 'v' in value) {
    const { v } = value;
    if (Number.isSafeInteger(v) && v !== 1) throw new StrongroomError('ERR_SEAL_VERSION');
  }
  const parsed = payloadSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.map(String).join('.') || 'members';
  throw new StrongroomError(malformed, { part: `payload: ${place}` });
}
