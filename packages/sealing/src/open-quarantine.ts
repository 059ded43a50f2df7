import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  QUARANTINE_FORMAT,
  type QuarantineEntry,
  QuarantineEntrySchema,
  type QuarantineSeal,
} from '@strongroom/protocol/quarantine-entry';
import { claimedOnce, type OwnedContext, onceSealIn, openOnce, verifyOwned } from './open-once.ts';
import type { ReadRecord } from './record-checks.ts';
import type { SecretReader } from './secret-reader.ts';

const INVALID = 'ERR_QUARANTINE_INVALID';

/** What an entry says of itself, unverified. @throws ERR_QUARANTINE_INVALID, ERR_SEAL_VERSION */
export function claimedQuarantine(record: ReadRecord): QuarantineSeal {
  const jws = onceSealIn(record, QUARANTINE_FORMAT, INVALID);
  return claimedOnce(jws, QUARANTINE_FORMAT, INVALID);
}

/**
 * Opens an entry of an owner's quarantine: signature and place first, decryption last. What it
 * holds was refused: nothing of that is believed.
 * @throws ERR_QUARANTINE_INVALID, ERR_RECORD_HEADERS, ERR_SEAL_VERSION, ERR_LIMIT_EXCEEDED
 */
export async function openQuarantine(
  record: ReadRecord,
  context: OwnedContext & { readonly secretReader: SecretReader },
): Promise<{ seal: QuarantineSeal; entry: QuarantineEntry }> {
  const { owner: kid, secretReader } = context;
  const verify = (jws: string) => verifyOwned(jws, QUARANTINE_FORMAT, context, INVALID);
  const options = { kid, secretReader, malformed: INVALID, verify } as const;
  const { seal, plaintext } = await openOnce(record, QUARANTINE_FORMAT, options);
  return { seal, entry: parseEntry(plaintext) };
}

function parseEntry(plaintext: Uint8Array): QuarantineEntry {
  try {
    return QuarantineEntrySchema.parse(parseCanonical(plaintext));
  } catch {
    throw new StrongroomError(INVALID, { part: 'content' });
  }
}
