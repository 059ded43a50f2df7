import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf } from '@strongroom/protocol/errors';
import { PartyIdSchema, QueryIdSchema, StreamIdSchema } from '@strongroom/protocol/fields';
import {
  AGGREGATE_FORMAT,
  type AggregateSeal,
  encodeAggregateContent,
} from '@strongroom/protocol/sealed-aggregate';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SmallContract, smallContract } from '../test/small-contract.ts';
import { sha256Hex } from './digest.ts';
import { claimedAggregate, type OpenedAggregate, openAggregate } from './open.ts';
import type { ReadRecord } from './record-checks.ts';
import { sealInParts } from './seal.ts';
import { createSigner, type Signer } from './sign.ts';

const ARROW = Buffer.from('an Arrow IPC stream');
const COUNTED = { rows: 30, lateRows: 0, retractedRows: 0 };
const CONTENT = { rows: 1, suppressedGroups: 0, inputs: [COUNTED] };
const TOKEN = sha256Hex('token');
const worker = createSigner(generateKeyPairSync('ed25519').privateKey);

let small: SmallContract;
beforeAll(async () => {
  small = await smallContract();
});

interface Changes {
  readonly seal?: Partial<AggregateSeal>;
  readonly signer?: Signer;
  readonly kid?: string;
  readonly typ?: string;
  readonly plaintext?: Uint8Array;
  readonly sizes?: readonly number[];
}

async function sealedAggregate(changes: Changes = {}): Promise<ReadRecord> {
  const at = {
    contract: small.contractId,
    query: QueryIdSchema.parse('daily'),
    reader: PartyIdSchema.parse('analyst'),
    epoch: 1,
    emission: 0,
    ...changes.seal,
  };
  const wrappingKey = small.analyst.reader?.publicKey;
  if (!wrappingKey) throw new Error('the analyst reads');
  const signer = changes.signer ?? worker;
  const format = { ...AGGREGATE_FORMAT, typ: changes.typ ?? AGGREGATE_FORMAT.typ };
  const [sealed, ...more] = await sealInParts(format, {
    plaintext: changes.plaintext ?? encodeAggregateContent(CONTENT, ARROW),
    sizes: changes.sizes,
    at,
    members: {
      window: { start: 0, end: 86_400_000 },
      checkpoint: 4,
      inputs: [
        {
          dataset: 'flights',
          stream: StreamIdSchema.parse('AAAAAAAAAAAAAAAAAAAAAA'),
          epoch: 0,
          sequences: 3,
          head: sha256Hex('head'),
        },
      ],
      token: TOKEN,
      ...changes.seal,
    },
    to: { kid: 'analyst', wrappingKey },
    signer: {
      publicKey: signer.publicKey,
      sign: (payload, header) =>
        signer.sign(payload, { ...header, kid: changes.kid ?? header.kid }),
    },
  });
  if (!sealed || more.length > 0) throw new Error('a result of one record');
  return sealed.record;
}

function open(record: ReadRecord, more: object = {}): Promise<OpenedAggregate> {
  const secretReader = small.analyst.reader;
  if (!secretReader) throw new Error('the analyst reads');
  const { contract, contractId } = small;
  const reader = PartyIdSchema.parse('analyst');
  const proof = { aggregateKey: worker.publicKey, tokenSha256: TOKEN };
  return openAggregate([record], { contract, contractId, reader, secretReader, ...proof, ...more });
}

async function codeFrom(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => 'no error',
    (error) => codeOf(error) ?? `no code: ${error}`,
  );
}

describe('a sealed aggregate', () => {
  test('opens for its reader', async () => {
    const record = await sealedAggregate();
    expect(claimedAggregate(record).token).toBe(TOKEN);
    const { arrow, content, inputs } = await open(record);
    expect(Buffer.from(arrow)).toEqual(ARROW);
    expect(content).toEqual({ v: 1, ...CONTENT });
    expect(inputs).toMatchObject([{ dataset: 'flights', sequences: 3, ...COUNTED }]);
  });

  test('opens for nobody else', async () => {
    const record = await sealedAggregate();
    const reader = PartyIdSchema.parse('owner');
    expect(await codeFrom(open(record, { reader }))).toBe('ERR_NOT_A_READER');
    const toOwner = await sealedAggregate({ seal: { reader } });
    expect(await codeFrom(open(toOwner))).toBe('ERR_NOT_A_READER');
    expect(await codeFrom(open(toOwner, { reader }))).toBe('ERR_NOT_A_READER');
  });

  test('is refused without the proof that it names', async () => {
    const record = await sealedAggregate();
    const other = createSigner(generateKeyPairSync('ed25519').privateKey);
    const cases: [ReadRecord, object, string][] = [
      [record, { tokenSha256: sha256Hex('other') }, 'ERR_AGGREGATE_PROOF'],
      [record, { aggregateKey: other.publicKey }, 'ERR_AGGREGATE_SIGNATURE'],
      [await sealedAggregate({ signer: other }), {}, 'ERR_AGGREGATE_SIGNATURE'],
      [await sealedAggregate({ kid: 'owner' }), {}, 'ERR_AGGREGATE_SIGNATURE'],
      [await sealedAggregate({ typ: 'strongroom-batch+jws' }), {}, 'ERR_AGGREGATE_MALFORMED'],
    ];
    for (const [each, more, code] of cases) expect(await codeFrom(open(each, more))).toBe(code);
  });

  test('is refused in another place than it names', async () => {
    const query = QueryIdSchema.parse('other');
    const bad: [ReadRecord, string][] = [
      [await sealedAggregate({ seal: { query } }), 'ERR_AGGREGATE_MALFORMED'],
      [await sealedAggregate({ seal: { window: null } }), 'ERR_AGGREGATE_MALFORMED'],
      [
        await sealedAggregate({ seal: { contract: (await smallContract()).contractId } }),
        'ERR_CONTRACT_MISMATCH',
      ],
    ];
    for (const [record, code] of bad) expect(await codeFrom(open(record))).toBe(code);
  });

  test('is refused when any part of the record changed', async () => {
    const record = await sealedAggregate();
    const flipped = (at: number) => {
      const value = Uint8Array.from(record.value);
      value[at] = (value[at] ?? 0) ^ 1;
      return { ...record, value };
    };
    const { seal: _seal, ...withoutSeal } = record.headers;
    const bad: [ReadRecord, string][] = [
      [flipped(0), 'ERR_AGGREGATE_MALFORMED'],
      [flipped(record.value.length - 1), 'ERR_AGGREGATE_MALFORMED'],
      [{ ...record, value: record.value.subarray(1) }, 'ERR_AGGREGATE_MALFORMED'],
      [{ ...record, value: new Uint8Array(16) }, 'ERR_AGGREGATE_MALFORMED'],
      [{ ...record, value: new Uint8Array(900_017) }, 'ERR_LIMIT_EXCEEDED'],
      [{ ...record, headers: withoutSeal }, 'ERR_AGGREGATE_MALFORMED'],
      [{ ...record, headers: { ...record.headers, ce_id: 'analyst.1.1' } }, 'ERR_RECORD_HEADERS'],
      [{ ...record, headers: { ...record.headers, more: '' } }, 'ERR_RECORD_HEADERS'],
      [{ ...record, key: 'daily.owner' }, 'ERR_RECORD_HEADERS'],
      [{ ...record, key: null }, 'ERR_RECORD_HEADERS'],
    ];
    for (const [each, code] of bad) expect(await codeFrom(open(each))).toBe(code);
  });

  test('is refused when its secret belongs to another emission', async () => {
    const one = await sealedAggregate();
    const two = await sealedAggregate({ seal: { emission: 1 } });
    expect(await codeFrom(open(one))).toBe('no error');
    expect(await codeFrom(open(two))).toBe('no error');
    const moved = await swappedSegment(two, claimedAggregate(one).segment);
    expect(await codeFrom(open(moved))).toBe('ERR_AGGREGATE_MALFORMED');
  });

  test('is not made with a seal that no reader would take', async () => {
    const [input] = claimedAggregate(await sealedAggregate()).inputs;
    if (!input) throw new Error('one input expected');
    const inputs = (count: number) => Array.from({ length: count }, () => input);
    const counted = Array.from({ length: 256 }, () => COUNTED);
    const plaintext = encodeAggregateContent({ ...CONTENT, inputs: counted }, ARROW);
    const many = await sealedAggregate({ seal: { inputs: inputs(256) }, plaintext });
    expect(await codeFrom(open(many))).toBe('no error');
    const tooMany = sealedAggregate({ seal: { inputs: inputs(600) } });
    expect(await codeFrom(tooMany)).toBe('ERR_LIMIT_EXCEEDED');
  });

  test('is refused by what is inside of it', async () => {
    const text = (json: object, arrow: Uint8Array = ARROW) => {
      const bytes = canonicalBytes(json);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes, arrow]);
    };
    const whole = { v: 1, ...CONTENT };
    const bad: [Uint8Array, string][] = [
      [ARROW, 'no content'],
      [Buffer.from([0, 0, 9, 9, 1]), 'a length beyond the end'],
      [text({ ...whole, v: 2 }), 'a version'],
      [text({ ...whole, more: 1 }), 'an unknown member'],
      [text({ ...whole, rows: -1 }), 'rows'],
      [text({ ...whole, inputs: [COUNTED, COUNTED] }), 'inputs that the seal lacks'],
      [text({ ...whole, withheld: 'failed' }), 'rows that are withheld'],
      [text({ ...whole, rows: 0, withheld: 'failed' }), 'a table that is withheld'],
      [text({ ...whole, rows: 0, withheld: 'hungry' }, Buffer.alloc(0)), 'an unknown reason'],
      [text(whole, Buffer.alloc(0)), 'no table'],
    ];
    for (const [plaintext, what] of bad) {
      const record = await sealedAggregate({ plaintext });
      expect(await codeFrom(open(record)), what).toBe('ERR_AGGREGATE_MALFORMED');
    }
    const withheld = text({ ...whole, rows: 0, withheld: 'failed' }, Buffer.alloc(0));
    const { arrow } = await open(await sealedAggregate({ plaintext: withheld }));
    expect(arrow).toHaveLength(0);
  });

  test('has one of the sizes, or the one that the contract sets', async () => {
    const other = await sealedAggregate({ sizes: [5_000] });
    expect(await codeFrom(open(other))).toBe('ERR_AGGREGATE_MALFORMED');
    const { contract } = small;
    const queries = contract.queries.map((query) => ({
      ...query,
      disclosure: { ...query.disclosure, resultBytes: 5_000 },
    }));
    const fixed = { contract: { ...contract, queries } };
    expect(await codeFrom(open(other, fixed))).toBe('no error');
    expect(await codeFrom(open(await sealedAggregate(), fixed))).toBe('ERR_AGGREGATE_MALFORMED');
  });

  test('claims nothing for a seal that is none', async () => {
    const record = await sealedAggregate();
    const jws = randomBytes(60).toString('base64url');
    for (const seal of [jws, `${jws}.${jws}.${jws}`, '']) {
      const claimed = async () => claimedAggregate({ ...record, headers: { seal } });
      expect(await codeFrom(claimed())).toBe('ERR_AGGREGATE_MALFORMED');
    }
  });
});

/** The same aggregate, signed by the worker again, with another wrapped secret. */
async function swappedSegment(record: ReadRecord, segment: string): Promise<ReadRecord> {
  const seal = { ...claimedAggregate(record), segment };
  const payload = Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(seal).sort())));
  const jws = await worker.sign(payload, { typ: AGGREGATE_FORMAT.typ, kid: 'aggregates' });
  return { ...record, headers: { ...record.headers, seal: jws } };
}
