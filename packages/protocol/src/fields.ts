import { z } from 'zod';
import { decodeBase64url } from './base64url.ts';
import { IDENTIFIER_CHARACTERS_MAX, SEQUENCE_MAX, STREAM_NAME_CHARACTERS_MAX } from './limits.ts';

/** Fields that several wire objects share. */

export const Sha256HexSchema = z.string().regex(/^[0-9a-f]{64}$/);
export const Sha384HexSchema = z.string().regex(/^[0-9a-f]{96}$/);

/** The SHA-256 of a contract's canonical bytes, in hex. */
export const ContractIdSchema = Sha256HexSchema.brand<'ContractId'>();
export type ContractId = z.infer<typeof ContractIdSchema>;

const identifier = z
  .string()
  .max(IDENTIFIER_CHARACTERS_MAX)
  .regex(/^[a-z][a-z0-9-]*$/, 'lower-case letters, digits and hyphens, beginning with a letter');

export const PartyIdSchema = identifier.brand<'PartyId'>();
export type PartyId = z.infer<typeof PartyIdSchema>;
export const DatasetIdSchema = identifier.brand<'DatasetId'>();
export type DatasetId = z.infer<typeof DatasetIdSchema>;
export const QueryIdSchema = identifier.brand<'QueryId'>();
export type QueryId = z.infer<typeof QueryIdSchema>;

/**
 * A key in its owner's service, as Azure's paths name it: NAME, of which the newest version is
 * asked for, or NAME/VERSION, which stays the same when the owner rotates the key.
 */
export const KeyIdSchema = z.string().regex(/^[A-Za-z0-9-]{1,127}(?:\/[0-9a-f]{32})?$/);

/** A name that SQL can use unquoted: relations and result columns. */
export const SqlNameSchema = z
  .string()
  .max(IDENTIFIER_CHARACTERS_MAX)
  .regex(/^[a-z][a-z0-9_]*$/, 'lower-case letters, digits and underscores');

const base64urlOf = (bytes: number) =>
  z.string().refine((text) => decodeBase64url(text)?.length === bytes, {
    error: `base64url of exactly ${bytes} bytes`,
  });

/** A name that owners choose for a stream: no longer than a random one, so that no seal grows. */
const streamName = z
  .string()
  .max(STREAM_NAME_CHARACTERS_MAX)
  .regex(/^[a-z][a-z0-9-]*$/, 'lower-case letters, digits and hyphens, beginning with a letter');

/**
 * One run of one producer's sequence numbers: the name that the contract has for it, or, where the
 * contract names none, 16 random bytes in base64url.
 */
export const StreamIdSchema = z.union([base64urlOf(16), streamName]).brand<'StreamId'>();
export type StreamId = z.infer<typeof StreamIdSchema>;
/** As a contract names it. */
export const StreamNameSchema = streamName.brand<'StreamId'>();
export const Bytes32Schema = base64urlOf(32);

/** A count or number that starts at 0. */
export const CountSchema = z.int().min(0).max(SEQUENCE_MAX);
/** Milliseconds since 1970-01-01T00:00:00Z, event time. */
export const MillisecondsSchema = z.int();

/** Three base64url parts; the parts are checked where they are decoded. */
export const CompactJwsSchema = z.string().regex(/^[\w-]+\.[\w-]+\.[\w-]+$/);
/** Five base64url parts (RFC 7516 §3.1); with ECDH-ES+A256KW and RSA-OAEP-256 none is empty. */
export const CompactJweSchema = z.string().regex(/^[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+$/);
