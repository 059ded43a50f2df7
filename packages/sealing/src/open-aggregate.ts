import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { AGGREGATE_SEAL_BYTES_MAX } from '@strongroom/protocol/limits';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { aggregateRecordShape } from '@strongroom/protocol/record';
import {
  AGGREGATE_JWS_TYPE,
  AGGREGATE_KID,
  type AggregateSeal,
  AggregateSealSchema,
  aggregateContext,
  aggregateKeyInfo,
} from '@strongroom/protocol/sealed-aggregate';
import { type JwsCodes, splitCompactJws, verifyCompact } from './compact-jws.ts';
import { checkCiphertext, openBytes } from './open-bytes.ts';
import { parsePayload } from './payload.ts';
import { checkRecordShape, type ReadRecord, sealOf, splitValue } from './record-checks.ts';
import type { SecretReader } from './unwrapper.ts';

const MALFORMED = 'ERR_AGGREGATE_MALFORMED';
const CODES: JwsCodes = {
  malformed: MALFORMED,
  algorithm: 'ERR_AGGREGATE_SIGNATURE',
  signature: 'ERR_AGGREGATE_SIGNATURE',
};

export interface OpenAggregateContext {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly reader: PartyId;
  readonly secretReader: SecretReader;
  /** The aggregates key of the runtime claims inside the token. */
  readonly aggregateKey: SigningKey;
  /** SHA-256 in hex of the token that was verified. */
  readonly tokenSha256: string;
}

export interface OpenedAggregate {
  readonly seal: AggregateSeal;
  readonly jws: string;
  readonly plaintext: Uint8Array;
}

/**
 * What a record says of itself, before anything of it was verified: good for finding the token
 * that it names, and for nothing else.
 * @throws ERR_AGGREGATE_MALFORMED, ERR_SEAL_VERSION
 */
export function claimedAggregate(record: ReadRecord): AggregateSeal {
  const parts = splitCompactJws(sealOf(record, AGGREGATE_SEAL_BYTES_MAX, MALFORMED));
  if (!parts) throw new StrongroomError(MALFORMED, { part: 'compact form' });
  return parsePayload(parts.payload, AggregateSealSchema, MALFORMED);
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
  const jws = sealOf(record, AGGREGATE_SEAL_BYTES_MAX, MALFORMED);
  const { ciphertext, tag } = splitValue(record.value, MALFORMED);
  const seal = await verifyAggregateSeal(jws, context);
  checkPlace(seal, context);
  checkRecordShape(record, aggregateRecordShape(seal));
  checkCiphertext(ciphertext, seal.ciphertextSha256, MALFORMED);
  const dataKey = await unwrapFor(seal, context);
  return { seal, jws, plaintext: openBytes(dataKey, { ciphertext, tag, jws, seal }, MALFORMED) };
}

async function verifyAggregateSeal(
  jws: string,
  context: OpenAggregateContext,
): Promise<AggregateSeal> {
  const expected = { typ: AGGREGATE_JWS_TYPE, kid: AGGREGATE_KID, key: context.aggregateKey };
  const payload = await verifyCompact(jws, expected, CODES);
  return parsePayload(payload, AggregateSealSchema, MALFORMED);
}

function checkPlace(seal: AggregateSeal, context: OpenAggregateContext): void {
  if (seal.token !== context.tokenSha256) throw new StrongroomError('ERR_AGGREGATE_PROOF');
  if (seal.contract !== context.contractId) {
    throw new StrongroomError('ERR_CONTRACT_MISMATCH', { expected: context.contractId });
  }
  const query = context.contract.queries.find((each) => each.id === seal.query);
  if (!query) throw new StrongroomError(MALFORMED, { part: 'query' });
  if ((seal.window === null) !== (query.window.kind === 'whole')) {
    throw new StrongroomError(MALFORMED, { part: 'window' });
  }
  if (seal.reader !== context.reader || !query.readers.includes(context.reader)) {
    throw new StrongroomError('ERR_NOT_A_READER', { party: context.reader });
  }
}

async function unwrapFor(seal: AggregateSeal, context: OpenAggregateContext) {
  try {
    return await context.secretReader.dataKey(seal.segment, {
      kid: context.reader,
      context: aggregateContext(seal),
      info: aggregateKeyInfo(seal),
    });
  } catch {
    throw new StrongroomError(MALFORMED, { part: 'segment' });
  }
}
