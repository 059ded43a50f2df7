import { generateKeyPairSync } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { PartyIdSchema, QueryIdSchema, StreamIdSchema } from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX, TAG_BYTES } from '@strongroom/protocol/limits';
import { resultSizesOf } from '@strongroom/protocol/result-sizes';
import {
  AGGREGATE_FORMAT,
  type AggregateSeal,
  encodeAggregateContent,
} from '@strongroom/protocol/sealed-aggregate';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SmallContract, smallContract } from '../test/small-contract.ts';
import { sha256Hex } from './digest.ts';
import { claimedAggregate, openAggregate } from './open.ts';
import type { ReadRecord } from './record-checks.ts';
import { sealInParts } from './seal.ts';
import { createSigner } from './sign.ts';

/** A result of several records: all of them, in their order and of one sealing, or nothing. */

const TOKEN = sha256Hex('token');
const RESULT_BYTES = 2 * CIPHERTEXT_BYTES_MAX + 5_000;
const COUNTED = { rows: 30, lateRows: 0, retractedRows: 0 };
const ANALYST = PartyIdSchema.parse('analyst');
const worker = createSigner(generateKeyPairSync('ed25519').privateKey);
const arrowOf = (length: number, byte = 7) => new Uint8Array(length).fill(byte);

let small: SmallContract;
/** Of which every result has three parts. */
let fixed: Contract;
let parts: ReadRecord[];
beforeAll(async () => {
  small = await smallContract();
  fixed = withSize(RESULT_BYTES);
  parts = await sealed();
});

function withSize(resultBytes: number): Contract {
  const queries = small.contract.queries.map((query) => ({
    ...query,
    disclosure: { ...query.disclosure, resultBytes },
  }));
  return { ...small.contract, queries };
}

interface Changes {
  readonly at?: Partial<Pick<AggregateSeal, 'epoch' | 'emission' | 'reader'>>;
  readonly arrow?: Uint8Array;
  readonly sizes?: readonly number[];
}

async function sealed({ at, arrow = arrowOf(9), sizes = [RESULT_BYTES] }: Changes = {}) {
  const wrappingKey = small.analyst.reader?.publicKey;
  if (!wrappingKey) throw new Error('the analyst reads');
  const place = { contract: small.contractId, query: QueryIdSchema.parse('daily') };
  const input = {
    ...{ dataset: 'flights', stream: StreamIdSchema.parse('AAAAAAAAAAAAAAAAAAAAAA') },
    ...{ epoch: 0, sequences: 3, head: sha256Hex('head') },
  };
  const window = { start: 0, end: 86_400_000 };
  const made = await sealInParts(AGGREGATE_FORMAT, {
    plaintext: encodeAggregateContent({ rows: 1, suppressedGroups: 0, inputs: [COUNTED] }, arrow),
    sizes,
    at: { ...place, reader: ANALYST, epoch: 1, emission: 0, ...at },
    members: { window, checkpoint: 4, inputs: [input], token: TOKEN },
    to: { kid: 'analyst', wrappingKey },
    signer: worker,
  });
  return made.map(({ record }): ReadRecord => record);
}

async function open(records: readonly ReadRecord[], contract = fixed) {
  const secretReader = small.analyst.reader;
  if (!secretReader) throw new Error('the analyst reads');
  const proof = { aggregateKey: worker.publicKey, tokenSha256: TOKEN };
  const { contractId } = small;
  const opened = { contract, contractId, reader: ANALYST, secretReader, ...proof };
  return await openAggregate(records, opened);
}

const codeFrom = (records: readonly ReadRecord[], contract = fixed) =>
  open(records, contract).then(
    () => 'no error',
    (error) => codeOf(error) ?? `no code: ${error}`,
  );

/** The same part with another word of the worker, who would have to lie. */
async function resealed(record: ReadRecord | undefined, members: object): Promise<ReadRecord> {
  if (!record) throw new Error('a part');
  const payload = canonicalBytes({ ...claimedAggregate(record), ...members });
  const seal = await worker.sign(payload, { typ: AGGREGATE_FORMAT.typ, kid: 'aggregates' });
  return { ...record, headers: { ...record.headers, seal } };
}

const at = (index: number) => parts[index] ?? expect.fail('three parts');

describe('a result of several parts', () => {
  test('is as many records as its size takes, all but the last as large as can be', () => {
    const ids = [0, 1, 2].map((index) => `analyst.1.0.${index}`);
    expect(parts.map(({ headers }) => headers['ce_id'])).toEqual(ids);
    const bytes = parts.map(({ value }) => value.length - TAG_BYTES);
    expect(bytes).toEqual([CIPHERTEXT_BYTES_MAX, CIPHERTEXT_BYTES_MAX, 5_000]);
    expect(parts.map((part) => claimedAggregate(part).part)).toEqual(
      [0, 1, 2].map((index) => ({ index, count: 3 })),
    );
    const keys = new Set(parts.map((part) => claimedAggregate(part).commitment));
    expect(keys.size).toBe(3);
  });

  test('opens for its reader', async () => {
    const { arrow, content } = await open(parts);
    expect(arrow).toEqual(arrowOf(9));
    expect(content.rows).toBe(1);
  });

  test('comes back as it was, whatever its size', async () => {
    const { contract } = small;
    const sizes = resultSizesOf(contract.queries[0] ?? expect.fail('a query'));
    const around = [1, 2, 4].map((count) => count * CIPHERTEXT_BYTES_MAX);
    const length = fc
      // A result that is not withheld has a byte at least.
      .tuple(fc.constantFrom(200, ...around), fc.integer({ min: -199, max: 0 }))
      .map(([edge, less]) => edge + less);
    await fc.assert(
      fc.asyncProperty(length, fc.integer({ min: 0, max: 255 }), async (bytes, byte) => {
        const records = await sealed({ arrow: arrowOf(bytes, byte), sizes });
        const total = records.reduce((sum, { value }) => sum + value.length - TAG_BYTES, 0);
        expect(sizes).toContain(total);
        expect(total).toBeGreaterThan(bytes);
        // Byte by byte, `toEqual` takes seconds.
        const { arrow } = await open(records, contract);
        expect(Buffer.compare(arrow, arrowOf(bytes, byte))).toBe(0);
      }),
      { numRuns: 12 },
    );
  });

  const attacks: [string, () => Promise<ReadRecord[]> | ReadRecord[], string][] = [
    ['none of them', () => [], 'ERR_AGGREGATE_INCOMPLETE'],
    ['no first one', () => parts.slice(1), 'ERR_AGGREGATE_INCOMPLETE'],
    ['no middle one', () => [at(0), at(2)], 'ERR_AGGREGATE_INCOMPLETE'],
    ['no last one', () => parts.slice(0, 2), 'ERR_AGGREGATE_INCOMPLETE'],
    ['the last one alone', () => [at(2)], 'ERR_AGGREGATE_INCOMPLETE'],
    ['two exchanged', () => [at(1), at(0), at(2)], 'ERR_AGGREGATE_INCOMPLETE'],
    ['all reversed', () => parts.toReversed(), 'ERR_AGGREGATE_INCOMPLETE'],
    ['one twice', () => [at(0), at(1), at(1)], 'ERR_AGGREGATE_INCOMPLETE'],
    ['one too many', () => [...parts, at(2)], 'ERR_AGGREGATE_INCOMPLETE'],
    ['all twice', () => [...parts, ...parts], 'ERR_AGGREGATE_INCOMPLETE'],
    ['one of another emission', () => mixed({ at: { emission: 1 } }), 'ERR_AGGREGATE_INCOMPLETE'],
    ['one of another epoch', () => mixed({ at: { epoch: 2 } }), 'ERR_AGGREGATE_INCOMPLETE'],
    ['one that was sealed again', () => mixed({}), 'ERR_AGGREGATE_INCOMPLETE'],
    [
      'one of another reader',
      () => mixed({ at: { reader: PartyIdSchema.parse('owner') } }),
      'ERR_NOT_A_READER',
    ],
    ['one with its first bit turned', () => flipped(1, 0), 'ERR_AGGREGATE_MALFORMED'],
    ['one with its last bit turned', () => flipped(2, -1), 'ERR_AGGREGATE_MALFORMED'],
    [
      "the seal of one over another's bytes",
      () => [at(0), { ...at(1), value: at(0).value }, at(2)],
      'ERR_AGGREGATE_MALFORMED',
    ],
    [
      'one under the name of another',
      () => [at(0), { ...at(1), headers: { ...at(1).headers, ce_id: 'analyst.1.0.2' } }, at(2)],
      'ERR_RECORD_HEADERS',
    ],
  ];
  test.each(attacks)('is not opened with %s', async (_what, records, code) => {
    expect(await codeFrom(await records())).toBe(code);
  });

  async function mixed(changes: Changes): Promise<ReadRecord[]> {
    const other = (await sealed(changes))[1] ?? expect.fail('a part');
    return [at(0), other, at(2)];
  }

  function flipped(index: number, byte: number): ReadRecord[] {
    const value = Uint8Array.from(at(index).value);
    const turned = byte < 0 ? value.length + byte : byte;
    value[turned] = (value[turned] ?? 0) ^ 1;
    return parts.with(index, { ...at(index), value });
  }

  const lies: [string, () => Promise<ReadRecord[]>, string][] = [
    [
      'fewer than there are',
      async () => [
        await resealed(at(0), { part: { index: 0, count: 2 } }),
        await resealed(at(1), { part: { index: 1, count: 2 } }),
      ],
      'ERR_AGGREGATE_MALFORMED',
    ],
    [
      'that there is one',
      async () => [await resealed(at(0), { part: { index: 0, count: 1 } })],
      'ERR_AGGREGATE_MALFORMED',
    ],
    [
      'another number in one of them',
      async () => [at(0), at(1), await resealed(at(2), { part: { index: 2, count: 4 } })],
      'ERR_AGGREGATE_INCOMPLETE',
    ],
    [
      'a place behind the last',
      async () => [at(0), at(1), await resealed(at(2), { part: { index: 3, count: 3 } })],
      'ERR_AGGREGATE_MALFORMED',
    ],
  ];
  test.each(lies)('is not opened where its seals say %s', async (_what, records, code) => {
    expect(await codeFrom(await records())).toBe(code);
  });

  test('does not open a part in the place of another, whoever signs it', async () => {
    // Both as large as can be, so that nothing but the key tells them apart.
    const moved = await resealed(at(1), { part: { index: 0, count: 3 } });
    const id = { ...moved.headers, ce_id: 'analyst.1.0.0' };
    const code = await codeFrom([{ ...moved, headers: id }, at(1), at(2)]);
    expect(code).toBe('ERR_AGGREGATE_MALFORMED');
  });

  test('has a size that its contract allows', async () => {
    const other = withSize(RESULT_BYTES + 1);
    expect(await codeFrom(parts, other)).toBe('ERR_AGGREGATE_MALFORMED');
    expect(await codeFrom(parts, small.contract)).toBe('ERR_AGGREGATE_MALFORMED');
  });
});
