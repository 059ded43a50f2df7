import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { unpad } from '@strongroom/protocol/padding';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import type { OnceFormat } from '@strongroom/protocol/sealed-once';
import { type JwsCodes, splitCompactJws, verifyCompact } from './compact-jws.ts';
import { checkCiphertext, openBytes } from './open-bytes.ts';
import { parsePayload } from './payload.ts';
import {
  checkRecordShape,
  type ReadRecord,
  type SplitValue,
  sealOf,
  splitValue,
} from './record-checks.ts';
import type { SecretReader } from './secret-reader.ts';

/** The mirror of seal-once.ts. */

interface SealedOnce {
  readonly ciphertextSha256: string;
  readonly commitment: string;
  readonly plaintextBytes: number;
  readonly segment: string;
}

/** The seal of a record, as it was signed. @throws `malformed` */
export function onceSealIn<Seal extends At, At>(
  record: ReadRecord,
  format: OnceFormat<Seal, At>,
  malformed: ErrorCode,
): string {
  return sealOf(record, format.sealBytesMax, malformed);
}

/**
 * What a seal says of itself, unverified: good for finding the proof that it names, and for nothing
 * else.
 * @throws `malformed`, ERR_SEAL_VERSION
 */
export function claimedOnce<Seal extends At, At>(
  jws: string,
  format: OnceFormat<Seal, At>,
  malformed: ErrorCode,
): Seal {
  const parts = jws.length > format.sealBytesMax ? undefined : splitCompactJws(jws);
  if (!parts) throw new StrongroomError(malformed, { part: 'compact form' });
  return parsePayload(parts.payload, format.sealSchema, malformed);
}

/** Verifies who signed a seal, and nothing else. @throws `codes`, ERR_SEAL_VERSION */
export async function verifyOnce<Seal extends At, At>(
  jws: string,
  format: OnceFormat<Seal, At>,
  aggregateKey: SigningKey,
  codes: JwsCodes,
): Promise<Seal> {
  const expected = { typ: format.typ, kid: AGGREGATE_KID, key: aggregateKey };
  return parsePayload(
    await verifyCompact(jws, expected, codes),
    format.sealSchema,
    codes.malformed,
  );
}

/** Whose an object has to be, and by which vault. */
export interface OwnedContext {
  readonly contractId: ContractId;
  readonly owner: PartyId;
  /** The key that signs results, of the proof that the seal names. */
  readonly aggregateKey: SigningKey;
  /** SHA-256 in hex of that proof, which was verified. */
  readonly tokenSha256: string;
}

interface OwnedSeal {
  readonly contract: ContractId;
  readonly owner: PartyId;
  readonly token: string;
}

/** Verifies who signed a seal, and to whom it speaks. @throws `malformed`, ERR_SEAL_VERSION */
export async function verifyOwned<Seal extends At & OwnedSeal, At>(
  jws: string,
  format: OnceFormat<Seal, At>,
  context: OwnedContext,
  malformed: ErrorCode,
): Promise<Seal> {
  const codes = { malformed, algorithm: malformed, signature: malformed };
  const seal = await verifyOnce(jws, format, context.aggregateKey, codes);
  if (seal.token !== context.tokenSha256) throw new StrongroomError(malformed, { part: 'token' });
  if (seal.contract !== context.contractId || seal.owner !== context.owner) {
    throw new StrongroomError(malformed, { part: 'contract or owner' });
  }
  return seal;
}

export interface OpenOnceOptions<Seal> {
  /** Of the party that it is for. */
  readonly kid: string;
  readonly secretReader: SecretReader;
  /** For whatever does not open. */
  readonly malformed: ErrorCode;
  /** Signature and place. */
  readonly verify: (jws: string) => Promise<Seal>;
}

/**
 * Opens what was sealed once: signature and place first, decryption last, and then the padding.
 * @throws what `verify` throws, `malformed`, ERR_RECORD_HEADERS, ERR_LIMIT_EXCEEDED
 */
export async function openOnce<Seal extends At & SealedOnce, At>(
  record: ReadRecord,
  format: OnceFormat<Seal, At>,
  options: OpenOnceOptions<Seal>,
): Promise<{ seal: Seal; jws: string; plaintext: Uint8Array }> {
  const { malformed } = options;
  const verified = await verifyRecord(record, format, options);
  const plaintext = unpad(format.sizes, await openVerified(verified, format, options));
  if (!plaintext) throw new StrongroomError(malformed, { part: 'padding' });
  const { seal, jws } = verified;
  return { seal, jws, plaintext };
}

/** A record whose signature, place, form and hash were verified, and that nobody has opened. */
export interface VerifiedOnce<Seal> extends SplitValue {
  readonly seal: Seal;
  readonly jws: string;
}

/** What was encrypted, padding and all. @throws `malformed` */
export async function openVerified<Seal extends At & SealedOnce, At>(
  verified: VerifiedOnce<Seal>,
  format: OnceFormat<Seal, At>,
  reader: Pick<OpenOnceOptions<Seal>, 'kid' | 'secretReader' | 'malformed'>,
): Promise<Uint8Array> {
  const dataKey = await unwrapFor(verified.seal, format, reader);
  return openBytes(dataKey, verified, reader.malformed);
}

/**
 * Everything that needs no key: signature and place, the record's form, the hash of what is sealed.
 * @throws what `verify` throws, `malformed`, ERR_RECORD_HEADERS, ERR_LIMIT_EXCEEDED
 */
export async function verifyRecord<Seal extends At & SealedOnce, At>(
  record: ReadRecord,
  format: OnceFormat<Seal, At>,
  { malformed, verify }: Pick<OpenOnceOptions<Seal>, 'malformed' | 'verify'>,
): Promise<VerifiedOnce<Seal>> {
  const jws = onceSealIn(record, format, malformed);
  const { ciphertext, tag } = splitValue(record.value, malformed);
  const seal = await verify(jws);
  checkRecordShape(record, format.shapeOf(seal));
  checkCiphertext(ciphertext, seal.ciphertextSha256, malformed);
  return { seal, jws, ciphertext, tag };
}

async function unwrapFor<Seal extends At & SealedOnce, At>(
  seal: Seal,
  format: OnceFormat<Seal, At>,
  {
    kid,
    secretReader,
    malformed,
  }: Pick<OpenOnceOptions<Seal>, 'kid' | 'secretReader' | 'malformed'>,
) {
  try {
    const place = { kid, context: format.contextOf(seal), info: format.keyInfoOf(seal) };
    return await secretReader.dataKey(seal.segment, place);
  } catch {
    throw new StrongroomError(malformed, { part: 'segment' });
  }
}
