import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { USE_SEAL_BYTES_MAX } from '@strongroom/protocol/limits';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { useRecordShape } from '@strongroom/protocol/record';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import {
  USE_JWS_TYPE,
  type UseEntry,
  UseEntrySchema,
  type UseSeal,
  UseSealSchema,
  useContext,
  useKeyInfo,
} from '@strongroom/protocol/use-entry';
import { type JwsCodes, splitCompactJws, verifyCompact } from './compact-jws.ts';
import { checkCiphertext, openBytes } from './open-bytes.ts';
import { parsePayload } from './payload.ts';
import { checkRecordShape, type ReadRecord, sealOf, splitValue } from './record-checks.ts';
import type { SecretReader } from './unwrapper.ts';

export type { SecretReader } from './unwrapper.ts';

const INVALID = 'ERR_USE_INVALID';
const CODES: JwsCodes = { malformed: INVALID, algorithm: INVALID, signature: INVALID };

export interface UseContext {
  readonly contractId: ContractId;
  readonly owner: PartyId;
  /** The key that signs results, of the proof that the seal names. */
  readonly aggregateKey: SigningKey;
  /** SHA-256 in hex of that proof, which was verified. */
  readonly tokenSha256: string;
}

/**
 * What a seal says of itself, unverified: good for finding the proof that it names, and for nothing
 * else.
 * @throws ERR_USE_INVALID, ERR_SEAL_VERSION
 */
export function claimedUse(jws: string): UseSeal {
  const parts = jws.length > USE_SEAL_BYTES_MAX ? undefined : splitCompactJws(jws);
  if (!parts) throw new StrongroomError(INVALID, { part: 'compact form' });
  return parsePayload(parts.payload, UseSealSchema, INVALID);
}

/** The seal of a record of an owner's ledger of uses. @throws ERR_USE_INVALID */
export function useSealIn(record: ReadRecord): string {
  return sealOf(record, USE_SEAL_BYTES_MAX, INVALID);
}

/**
 * Verifies who signed a seal, and whose ledger it belongs to. Its place in the chain is
 * `UseChain`'s question.
 * @throws ERR_USE_INVALID, ERR_SEAL_VERSION
 */
export async function verifyUseSeal(jws: string, context: UseContext): Promise<UseSeal> {
  const expected = { typ: USE_JWS_TYPE, kid: AGGREGATE_KID, key: context.aggregateKey };
  const payload = await verifyCompact(jws, expected, CODES);
  const seal = parsePayload(payload, UseSealSchema, INVALID);
  if (seal.token !== context.tokenSha256) throw new StrongroomError(INVALID, { part: 'token' });
  if (seal.contract !== context.contractId || seal.owner !== context.owner) {
    throw new StrongroomError(INVALID, { part: 'contract or owner' });
  }
  return seal;
}

/**
 * Opens an entry: signature and place first, decryption last.
 * @throws ERR_USE_INVALID, ERR_RECORD_HEADERS, ERR_SEAL_VERSION, ERR_LIMIT_EXCEEDED
 */
export async function openUse(
  record: ReadRecord,
  context: UseContext & { readonly secretReader: SecretReader },
): Promise<{ seal: UseSeal; jws: string; entry: UseEntry }> {
  const jws = useSealIn(record);
  const { ciphertext, tag } = splitValue(record.value, INVALID);
  const seal = await verifyUseSeal(jws, context);
  checkRecordShape(record, useRecordShape(seal));
  checkCiphertext(ciphertext, seal.ciphertextSha256, INVALID);
  const dataKey = await unwrapFor(seal, context);
  const plaintext = openBytes(dataKey, { ciphertext, tag, jws, seal }, INVALID);
  return { seal, jws, entry: parseEntry(plaintext) };
}

async function unwrapFor(
  seal: UseSeal,
  { owner, secretReader }: { readonly owner: PartyId; readonly secretReader: SecretReader },
) {
  try {
    const context = useContext(seal);
    const info = useKeyInfo(seal);
    return await secretReader.dataKey(seal.segment, { kid: owner, context, info });
  } catch {
    throw new StrongroomError(INVALID, { part: 'segment' });
  }
}

function parseEntry(plaintext: Uint8Array): UseEntry {
  try {
    return UseEntrySchema.parse(parseCanonical(plaintext));
  } catch {
    throw new StrongroomError(INVALID, { part: 'content' });
  }
}
