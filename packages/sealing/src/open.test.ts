import { generateKeyPairSync } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema, DatasetIdSchema } from '@strongroom/protocol/fields';
import { SEGMENT_SECRETS_CACHED_MAX } from '@strongroom/protocol/limits';
import { segmentContext } from '@strongroom/protocol/sealed-batch';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SmallContract, smallContract } from '../test/small-contract.ts';
import { createUnwrapper, type OpenBatchContext, openBatch, recordTypeOf } from './open.ts';
import type { ReadRecord } from './record-checks.ts';
import { createStreamSealer, newStreamId, type StreamSealer, streamStart } from './seal.ts';
import { createSegment, wrapSecret } from './segment.ts';
import { StreamCheck } from './stream-check.ts';

let small: SmallContract;
let context: OpenBatchContext;
beforeAll(async () => {
  small = await smallContract();
  context = contextOf(small);
});

function contextOf(at: SmallContract): OpenBatchContext {
  const { contract, contractId, dataset } = at;
  return {
    contract,
    contractId,
    dataset,
    unwrapper: createUnwrapper(at.datasetKey, dataset.wrappingKey),
  };
}

function sealerOf(at: SmallContract): StreamSealer {
  const stream = newStreamId();
  const position = { contract: at.contractId, dataset: at.dataset.id, stream, epoch: 0 };
  const { contractId, dataset } = at;
  const point = streamStart(position);
  const options = { contractId, dataset, stream, epoch: 0, point, signer: at.owner.signer };
  return createStreamSealer({ ...options, kid: 'owner', clock: { monotonic: () => 0 } });
}

async function codeFrom(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => 'no error',
    (error) => codeOf(error) ?? `no code: ${error}`,
  );
}

/** Says that it was asked. */
function forbiddenUnwrapper(): OpenBatchContext['unwrapper'] {
  const dataKey = () => Promise.reject(new Error('unwrapped'));
  return { publicKey: context.unwrapper.publicKey, dataKey, destroy: () => undefined };
}

const FACTS = { rows: 1, eventTime: { min: 0, max: 0 } };

describe('open', () => {
  test('is the inverse of seal, for every plaintext', async () => {
    const sealer = sealerOf(small);
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
        fc.integer({ min: 1, max: 1_048_576 }),
        fc.tuple(fc.maxSafeInteger(), fc.maxSafeInteger()),
        async (plaintext, rows, [one, two]) => {
          const eventTime = { min: Math.min(one, two), max: Math.max(one, two) };
          const { record, seal } = await sealer.seal(plaintext, { rows, eventTime });
          const opened = await openBatch(record, context);
          expect(Buffer.from(opened.plaintext)).toEqual(Buffer.from(plaintext));
          expect(opened.seal).toEqual(seal);
          expect(opened.seal.eventTime).toEqual(eventTime);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('refuses event times that the contract does not name, before it decrypts', async () => {
    const eventTimes = { from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' };
    const [from, until] = [Date.parse(eventTimes.from), Date.parse(eventTimes.until)];
    const dataset = { ...small.dataset, eventTimes };
    const bounded = { ...context, dataset, unwrapper: forbiddenUnwrapper() };
    const codeOfTimes = async (min: number, max: number) => {
      const { record } = await sealerOf(small).seal(Buffer.from('rows'), {
        ...{ rows: 1, eventTime: { min, max } },
      });
      return codeFrom(openBatch(record, bounded));
    };
    for (const [min, max] of [
      [from, until - 1],
      [from, from],
      [until - 1, until - 1],
    ] as const) {
      expect(await codeOfTimes(min, max)).toBe('no code: Error: unwrapped');
    }
    const far = 253_402_300_799_999;
    for (const [min, max] of [
      [from - 1, from],
      [from, until],
      [until, until],
      [-far, far],
    ] as const) {
      expect(await codeOfTimes(min, max)).toBe('ERR_EVENT_TIME_RANGE');
    }
  });

  test('refuses every flipped bit of the value, the seal, the headers and the key', async () => {
    const { record } = await sealerOf(small).seal(Buffer.from('rows'), FACTS);
    const flips: ReadRecord[] = [
      ...flippedBytes(record.value).map((value) => ({ ...record, value })),
      ...flippedText(record.key).map((key) => ({ ...record, key })),
    ];
    for (const [name, text] of Object.entries(record.headers)) {
      for (const other of flippedText(text)) {
        flips.push({ ...record, headers: { ...record.headers, [name]: other } });
      }
      for (const other of flippedText(name)) {
        const { [name]: _gone, ...rest } = record.headers;
        flips.push({ ...record, headers: { ...rest, [other]: text } });
      }
    }
    expect(flips.length).toBeGreaterThan(10_000);
    const opened: number[] = [];
    for (let from = 0; from < flips.length; from += 64) {
      const codes = await Promise.all(
        flips.slice(from, from + 64).map((each) => codeFrom(openBatch(each, context))),
      );
      codes.forEach((code, index) => {
        if (!code.startsWith('ERR_')) opened.push(from + index);
      });
    }
    expect(opened).toEqual([]);
  });

  test('refuses a value of any other length', async () => {
    const { record } = await sealerOf(small).seal(Buffer.from('rows'), FACTS);
    for (let bytes = 0; bytes < record.value.length; bytes += 1) {
      const cut = { ...record, value: record.value.subarray(0, bytes) };
      expect(await codeFrom(openBatch(cut, context))).toMatch(
        bytes <= 16 ? /^ERR_BATCH_UNOPENABLE$/ : /^ERR_CIPHERTEXT_HASH$/,
      );
    }
    for (const more of [1, 8, 16]) {
      const value = Buffer.concat([record.value, Buffer.alloc(more)]);
      expect(await codeFrom(openBatch({ ...record, value }, context))).toBe('ERR_CIPHERTEXT_HASH');
    }
  });

  test('opens nowhere but in the place that it was sealed for', async () => {
    const contractIds = ['11'.repeat(32), '22'.repeat(32)].map((id) => ContractIdSchema.parse(id));
    const datasetIds = ['flights', 'delays'].map((id) => DatasetIdSchema.parse(id));
    // Same parties, same keys: nothing but the names of the places differs.
    const places = contractIds.flatMap((contractId) =>
      datasetIds.map((id) => ({ ...small, contractId, dataset: { ...small.dataset, id } })),
    );
    for (const sealedIn of places) {
      const { record, seal } = await sealerOf(sealedIn).seal(Buffer.from('rows'), FACTS);
      for (const openedIn of places) {
        // An operator can rewrite headers, but not the seal.
        const ce_source = `/contracts/${openedIn.contractId}/datasets/${openedIn.dataset.id}`;
        const moved = { ...record, headers: { ...record.headers, ce_source } };
        const expected = sealedIn === openedIn ? 'no error' : 'ERR_SEAL_CONTEXT';
        expect(await codeFrom(openBatch(moved, contextOf(openedIn)))).toBe(expected);
        const check = new StreamCheck({ ...seal, dataset: openedIn.dataset.id });
        const followed = await codeFrom((async () => check.accept(seal, 'jws'))());
        const same = sealedIn.dataset.id === openedIn.dataset.id;
        expect(followed).toBe(same ? 'no error' : 'ERR_STREAM_UNKNOWN');
      }
    }
  });

  test('tells record types apart', async () => {
    const sealer = sealerOf(small);
    expect(recordTypeOf((await sealer.seal(Buffer.from('x'), FACTS)).record)).toBe('batch');
    expect(recordTypeOf(await sealer.manifest({ watermark: 0, final: false }))).toBe('manifest');
    expect(recordTypeOf({ key: null, value: new Uint8Array(0), headers: {} })).toBeUndefined();
  });
});

function flippedBytes(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return flipped;
  });
}

function flippedText(text: string): string[] {
  return flippedBytes(Buffer.from(text, 'latin1')).map((bytes) =>
    Buffer.from(bytes).toString('latin1'),
  );
}

describe('unwrapper', () => {
  const info = Buffer.from('info');

  test('unwraps one secret once, and checks its place every time', async () => {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { contractId, dataset } = await smallContract(keys);
    const position = { contract: contractId, dataset: dataset.id, stream: newStreamId(), epoch: 0 };
    const context = segmentContext(position);
    const target = { wrappingKey: dataset.wrappingKey, kid: 'k', context };
    const { secret, wrapped } = createSegment(target);
    const unwrapper = createUnwrapper(keys.privateKey, dataset.wrappingKey);
    const expected = secret.dataKey(info).commitment();
    const places = Array.from({ length: 20 }, () => ({ kid: 'k', context, info }));
    const jwe = await wrapped;
    const dataKeys = await Promise.all(places.map((each) => unwrapper.dataKey(jwe, each)));
    for (const each of dataKeys) expect(each.commitment()).toEqual(expected);
    const wrong = [
      { kid: 'other', context, info },
      { kid: 'k', context: Buffer.from('other'), info },
    ];
    for (const each of wrong) {
      expect(await codeFrom(unwrapper.dataKey(jwe, each))).toBe('ERR_SEGMENT_UNWRAP');
      const fresh = createUnwrapper(keys.privateKey, dataset.wrappingKey);
      expect(await codeFrom(fresh.dataKey(jwe, each))).toBe('ERR_SEGMENT_UNWRAP');
    }
  });

  test('forgets the oldest secret, never one that is in use', async () => {
    const keys = generateKeyPairSync('x25519');
    const { dataset } = await smallContract(keys);
    const target = { wrappingKey: dataset.wrappingKey, kid: 'k', context: Buffer.from('c') };
    const unwrapper = createUnwrapper(keys.privateKey, dataset.wrappingKey);
    const wrapped = await Promise.all(
      Array.from({ length: SEGMENT_SECRETS_CACHED_MAX + 40 }, () => createSegment(target).wrapped),
    );
    const place = { kid: 'k', context: target.context, info };
    for (let round = 0; round < 2; round += 1) {
      const made = await Promise.all(wrapped.map((each) => unwrapper.dataKey(each, place)));
      expect(made.length).toBe(wrapped.length);
    }
    unwrapper.destroy();
    const [first = ''] = wrapped;
    expect((await unwrapper.dataKey(first, place)).consumed).toBe(false);
  });

  test('is not made with another key than the contract names', async () => {
    const pairs = [generateKeyPairSync('x25519'), generateKeyPairSync('x25519')] as const;
    const { dataset } = await smallContract(pairs[0]);
    for (const key of [pairs[1].privateKey, Buffer.from('no DER'), { kty: 'EC' }]) {
      const made = async () => createUnwrapper(key, dataset.wrappingKey);
      expect(await codeFrom(made())).toBe('ERR_RELEASE_INVALID');
    }
    const der = pairs[0].privateKey.export({ format: 'der', type: 'pkcs8' });
    expect(createUnwrapper(der, dataset.wrappingKey).publicKey).toBe(dataset.wrappingKey);
  });

  test('wraps one secret to several readers', async () => {
    const keys = generateKeyPairSync('x25519');
    const { dataset } = await smallContract(keys);
    const target = { wrappingKey: dataset.wrappingKey, kid: 'k', context: Buffer.from('c') };
    const { secret } = createSegment(target);
    const [one, two] = [await wrapSecret(secret, target), await wrapSecret(secret, target)];
    expect(one).not.toBe(two);
    const unwrapper = createUnwrapper(keys.privateKey, dataset.wrappingKey);
    const place = { kid: 'k', context: target.context, info };
    const commitments = [
      (await unwrapper.dataKey(one, place)).commitment(),
      (await unwrapper.dataKey(two, place)).commitment(),
    ];
    expect(commitments[0]).toEqual(commitments[1]);
  });
});
