import type { Contract, Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import { unpad } from '@strongroom/protocol/padding';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { resultSizesOf } from '@strongroom/protocol/result-sizes';
import {
  AGGREGATE_FORMAT,
  type AggregateContent,
  type AggregateSeal,
  type CountedInput,
  decodeAggregateContent,
  sharedByParts,
} from '@strongroom/protocol/sealed-aggregate';
import type { JwsCodes } from './compact-jws.ts';
import {
  claimedOnce,
  onceSealIn,
  openVerified,
  type VerifiedOnce,
  verifyOnce,
  verifyRecord,
} from './open-once.ts';
import type { ReadRecord } from './record-checks.ts';
import type { SecretReader } from './secret-reader.ts';

const MALFORMED = 'ERR_AGGREGATE_MALFORMED';
const CODES: JwsCodes = {
  malformed: MALFORMED,
  algorithm: 'ERR_AGGREGATE_SIGNATURE',
  signature: 'ERR_AGGREGATE_SIGNATURE',
};

export interface VerifyAggregateContext {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly reader: PartyId;
  /** The aggregates key of the runtime claims inside the token. */
  readonly aggregateKey: SigningKey;
  /** SHA-256 in hex of the token that was verified. */
  readonly tokenSha256: string;
}

export interface OpenAggregateContext extends VerifyAggregateContext {
  readonly secretReader: SecretReader;
}

export interface OpenedAggregate {
  /** Of the first part. */
  readonly seal: AggregateSeal;
  /** What stands inside of the seal, for the reader alone. */
  readonly content: AggregateContent;
  /** What each stream contributed: of the seal how far, of the content what. */
  readonly inputs: readonly CountedInput[];
  /** One Arrow IPC stream; empty for a result that was withheld. */
  readonly arrow: Uint8Array;
}

/** A part of a result, verified by itself; whether the others are there is another question. */
export type VerifiedPart = VerifiedOnce<AggregateSeal>;

/** What a record says of itself, unverified. @throws ERR_AGGREGATE_MALFORMED, ERR_SEAL_VERSION */
export function claimedAggregate(record: ReadRecord): AggregateSeal {
  const jws = onceSealIn(record, AGGREGATE_FORMAT, MALFORMED);
  return claimedOnce(jws, AGGREGATE_FORMAT, MALFORMED);
}

/**
 * Verifies one part without opening it: signature, proof, place, form, hash. The caller has
 * verified the token already.
 * @throws ERR_AGGREGATE_MALFORMED, ERR_AGGREGATE_SIGNATURE, ERR_AGGREGATE_PROOF,
 *   ERR_CONTRACT_MISMATCH, ERR_NOT_A_READER, ERR_RECORD_HEADERS, ERR_SEAL_VERSION,
 *   ERR_LIMIT_EXCEEDED
 */
export function verifyPart(
  record: ReadRecord,
  context: VerifyAggregateContext,
): Promise<VerifiedPart> {
  const options = { malformed: MALFORMED, verify: verifierFor(context) } as const;
  return verifyRecord(record, AGGREGATE_FORMAT, options);
}

/**
 * Demands that these are all parts of one result, in their order, and of a size that it may have:
 * what follows from their seals alone.
 * @returns the seal of the first
 * @throws ERR_AGGREGATE_INCOMPLETE, ERR_AGGREGATE_MALFORMED
 */
export function checkParts(
  parts: readonly Pick<VerifiedPart, 'seal'>[],
  context: Pick<VerifyAggregateContext, 'contract'>,
): AggregateSeal {
  const [first, ...more] = parts.map(({ seal }) => seal);
  if (!first) throw new StrongroomError('ERR_AGGREGATE_INCOMPLETE');
  const { query, emission, part } = first;
  const shared = sharedByParts(first);
  const areOne = more.every((seal) => sharedByParts(seal) === shared);
  const areInOrder = parts.every(({ seal }, index) => seal.part.index === index);
  if (!areOne || !areInOrder || parts.length !== part.count) {
    throw new StrongroomError('ERR_AGGREGATE_INCOMPLETE', { query, emission, parts: part.count });
  }
  const sizes = parts.map(({ seal }) => seal.plaintextBytes);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const isCutRight = sizes.slice(0, -1).every((size) => size === CIPHERTEXT_BYTES_MAX);
  if (!isCutRight || !resultSizesOf(queryOf(first, context)).includes(total)) {
    throw new StrongroomError(MALFORMED, { query, emission, part: 'size' });
  }
  return first;
}

/**
 * Opens a result of which all parts are verified. Gaps and epochs are the caller's question.
 * @throws as `checkParts`, ERR_AGGREGATE_MALFORMED for what does not open
 */
export async function openParts(
  parts: readonly VerifiedPart[],
  context: Pick<OpenAggregateContext, 'contract' | 'reader' | 'secretReader'>,
): Promise<OpenedAggregate> {
  const seal = checkParts(parts, context);
  const pieces: Uint8Array[] = [];
  for (const part of parts) pieces.push(await openPart(part, context));
  const padded = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    padded.set(piece, at);
    at += piece.length;
  }
  const plaintext = unpad([padded.length], padded);
  if (!plaintext) throw new StrongroomError(MALFORMED, { part: 'padding' });
  const { content, arrow } = decodeAggregateContent(plaintext, seal);
  const inputs = seal.inputs.flatMap((point, index) => {
    const counted = content.inputs[index];
    return counted ? [{ ...point, ...counted }] : [];
  });
  return { seal, content, inputs, arrow };
}

/** One piece of a padded plaintext, nothing by itself. @throws ERR_AGGREGATE_MALFORMED */
export function openPart(
  part: VerifiedPart,
  { reader: kid, secretReader }: Pick<OpenAggregateContext, 'reader' | 'secretReader'>,
): Promise<Uint8Array> {
  return openVerified(part, AGGREGATE_FORMAT, { kid, secretReader, malformed: MALFORMED });
}

/** Verifies and opens the records of one result. @throws as `verifyPart` and `openParts` */
export async function openAggregate(
  records: readonly ReadRecord[],
  context: OpenAggregateContext,
): Promise<OpenedAggregate> {
  const parts: VerifiedPart[] = [];
  for (const record of records) parts.push(await verifyPart(record, context));
  return await openParts(parts, context);
}

function verifierFor(context: VerifyAggregateContext) {
  return async (jws: string) => {
    const seal = await verifyOnce(jws, AGGREGATE_FORMAT, context.aggregateKey, CODES);
    checkPlace(seal, context);
    return seal;
  };
}

function checkPlace(seal: AggregateSeal, context: VerifyAggregateContext): void {
  if (seal.token !== context.tokenSha256) throw new StrongroomError('ERR_AGGREGATE_PROOF');
  if (seal.contract !== context.contractId) {
    throw new StrongroomError('ERR_CONTRACT_MISMATCH', { expected: context.contractId });
  }
  const query = queryOf(seal, context);
  if ((seal.window === null) !== (query.window.kind === 'whole')) {
    throw new StrongroomError(MALFORMED, { part: 'window' });
  }
  if (seal.reader !== context.reader || !query.readers.includes(context.reader)) {
    throw new StrongroomError('ERR_NOT_A_READER', { party: context.reader });
  }
}

function queryOf(
  seal: AggregateSeal,
  { contract }: Pick<VerifyAggregateContext, 'contract'>,
): Query {
  const query = contract.queries.find((each) => each.id === seal.query);
  if (!query) throw new StrongroomError(MALFORMED, { part: 'query' });
  return query;
}
