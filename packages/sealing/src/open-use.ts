import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  USE_FORMAT,
  type UseEntry,
  UseEntrySchema,
  type UseSeal,
} from '@strongroom/protocol/use-entry';
import { claimedOnce, type OwnedContext, onceSealIn, openOnce, verifyOwned } from './open-once.ts';
import type { ReadRecord } from './record-checks.ts';
import type { SecretReader } from './secret-reader.ts';

export type { SecretReader } from './secret-reader.ts';

const INVALID = 'ERR_USE_INVALID';
export type UseContext = OwnedContext;

/** What a seal says of itself, unverified. @throws ERR_USE_INVALID, ERR_SEAL_VERSION */
export function claimedUse(jws: string): UseSeal {
  return claimedOnce(jws, USE_FORMAT, INVALID);
}

/** The seal of a record of an owner's ledger of uses. @throws ERR_USE_INVALID */
export function useSealIn(record: ReadRecord): string {
  return onceSealIn(record, USE_FORMAT, INVALID);
}

/**
 * Verifies who signed a seal, and whose ledger it belongs to. Its place in the chain is
 * `UseChain`'s question.
 * @throws ERR_USE_INVALID, ERR_SEAL_VERSION
 */
export function verifyUseSeal(jws: string, context: UseContext): Promise<UseSeal> {
  return verifyOwned(jws, USE_FORMAT, context, INVALID);
}

/**
 * Opens an entry: signature and place first, decryption last.
 * @throws ERR_USE_INVALID, ERR_RECORD_HEADERS, ERR_SEAL_VERSION, ERR_LIMIT_EXCEEDED
 */
export async function openUse(
  record: ReadRecord,
  context: UseContext & { readonly secretReader: SecretReader },
): Promise<{ seal: UseSeal; jws: string; entry: UseEntry }> {
  const { owner: kid, secretReader } = context;
  const verify = (jws: string) => verifyUseSeal(jws, context);
  const options = { kid, secretReader, malformed: INVALID, verify } as const;
  const { plaintext, ...opened } = await openOnce(record, USE_FORMAT, options);
  return { ...opened, entry: parseEntry(plaintext) };
}

function parseEntry(plaintext: Uint8Array): UseEntry {
  try {
    return UseEntrySchema.parse(parseCanonical(plaintext));
  } catch {
    throw new StrongroomError(INVALID, { part: 'content' });
  }
}
