import type { Contract, Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import type { SigningKey } from '@strongroom/protocol/public-key';
import {
  AGGREGATE_FORMAT,
  type AggregateContent,
  type AggregateSeal,
  type CountedInput,
  decodeAggregateContent,
  resultSizesOf,
} from '@strongroom/protocol/sealed-aggregate';
import type { JwsCodes } from './compact-jws.ts';
import { claimedOnce, onceSealIn, openOnce, verifyOnce, verifyRecord } from './open-once.ts';
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
  readonly seal: AggregateSeal;
  readonly jws: string;
  /** What stands inside of the seal, for the reader alone. */
  readonly content: AggregateContent;
  /** What each stream contributed: of the seal how far, of the content what. */
  readonly inputs: readonly CountedInput[];
  /** One Arrow IPC stream; empty for a result that was withheld. */
  readonly arrow: Uint8Array;
}

/** What a record says of itself, unverified. @throws ERR_AGGREGATE_MALFORMED, ERR_SEAL_VERSION */
export function claimedAggregate(record: ReadRecord): AggregateSeal {
  const jws = onceSealIn(record, AGGREGATE_FORMAT, MALFORMED);
  return claimedOnce(jws, AGGREGATE_FORMAT, MALFORMED);
}

/**
 * Opens a sealed aggregate: signature, proof and place first, decryption last. The caller has
 * verified the token already; gaps and epochs are the caller's question too.
 * @throws ERR_AGGREGATE_MALFORMED, ERR_AGGREGATE_SIGNATURE, ERR_AGGREGATE_PROOF,
 *   ERR_CONTRACT_MISMATCH, ERR_NOT_A_READER, ERR_RECORD_HEADERS, ERR_SEAL_VERSION,
 *   ERR_LIMIT_EXCEEDED
 */
export async function openAggregate(
  record: ReadRecord,
  context: OpenAggregateContext,
): Promise<OpenedAggregate> {
  const { reader: kid, secretReader } = context;
  const verify = verifierFor(context);
  const sizesOf = (seal: AggregateSeal) => resultSizesOf(queryOf(seal, context));
  const options = { kid, secretReader, malformed: MALFORMED, verify, sizesOf } as const;
  const { plaintext, seal, jws } = await openOnce(record, AGGREGATE_FORMAT, options);
  const { content, arrow } = decodeAggregateContent(plaintext, seal);
  const inputs = seal.inputs.flatMap((point, index) => {
    const counted = content.inputs[index];
    return counted ? [{ ...point, ...counted }] : [];
  });
  return { seal, jws, content, inputs, arrow };
}

/**
 * Verifies a sealed aggregate without opening it: for whoever was handed one and holds no key.
 * @throws what `openAggregate` throws
 */
export async function verifyAggregate(
  record: ReadRecord,
  context: VerifyAggregateContext,
): Promise<AggregateSeal> {
  const options = { malformed: MALFORMED, verify: verifierFor(context) } as const;
  return (await verifyRecord(record, AGGREGATE_FORMAT, options)).seal;
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

function queryOf(seal: AggregateSeal, { contract }: VerifyAggregateContext): Query {
  const query = contract.queries.find((each) => each.id === seal.query);
  if (!query) throw new StrongroomError(MALFORMED, { part: 'query' });
  return query;
}
