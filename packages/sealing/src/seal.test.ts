import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import { BATCHES_PER_SEGMENT_MAX, SEGMENT_AGE_MS_MAX } from '@strongroom/protocol/limits';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SmallContract, smallContract } from '../test/small-contract.ts';
import { sha256Hex } from './digest.ts';
import { createUnwrapper, openBatch, parseBatchRecord } from './open.ts';
import { createStreamSealer, newStreamId, type StreamSealer, streamStart } from './seal.ts';
import { StreamCheck } from './stream-check.ts';
import { verifyManifest } from './verify.ts';

const FACTS = { rows: 3, eventTime: { min: 1, max: 9 } };

let small: SmallContract;
beforeAll(async () => {
  small = await smallContract();
});

function sealerOf(at: SmallContract, time = { now: 0 }): StreamSealer {
  const position = {
    contract: at.contractId,
    dataset: at.dataset.id,
    stream: newStreamId(),
    epoch: 0,
  };
  return createStreamSealer({
    contractId: at.contractId,
    dataset: at.dataset,
    stream: position.stream,
    epoch: 0,
    point: streamStart(position),
    signer: at.owner.signer,
    kid: 'owner',
    clock: { monotonic: () => time.now },
  });
}

function openerOf(at: SmallContract) {
  const { contract, contractId, dataset, datasetKey } = at;
  const unwrapper = createUnwrapper(datasetKey, dataset.wrappingKey);
  return { contract, contractId, dataset, unwrapper };
}

describe('a stream of sealed batches', () => {
  test.each([
    ['x25519', () => generateKeyPairSync('x25519')],
    ['P-256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['RSA-3072', () => generateKeyPairSync('rsa', { modulusLength: 3072 })],
  ])('opens to what was sealed, wrapped to %s', async (_name, keys) => {
    const at = await smallContract(keys());
    const plaintext = randomBytes(50_000);
    const sealed = await sealerOf(at).seal(plaintext, FACTS);
    const opened = await openBatch(sealed.record, openerOf(at));
    expect(Buffer.from(opened.plaintext).equals(plaintext)).toBe(true);
    expect(opened.seal).toEqual(sealed.seal);
    expect(opened.jws).toBe(sealed.jws);
  });

  test('keeps its order when calls overlap', async () => {
    const sealer = sealerOf(small);
    const plaintexts = Array.from({ length: 20 }, (_, n) => randomBytes(n % 2 ? 40_000 : 10));
    const pending = plaintexts.map((each) => sealer.seal(each, FACTS));
    const manifest = sealer.manifest({ watermark: 5, final: true });
    const sealed = await Promise.all(pending);
    const [first] = sealed;
    if (!first) throw new Error('nothing sealed');
    const check = new StreamCheck(first.seal);
    for (const [index, each] of sealed.entries()) {
      expect(check.accept(each.seal, each.jws)).toBe('next');
      expect(check.point).toEqual({ epoch: 0, ...each.point });
      const opened = await openBatch(each.record, openerOf(small));
      expect(Buffer.from(opened.plaintext).equals(plaintexts[index] ?? Buffer.of())).toBe(true);
    }
    const jws = (await manifest).headers['seal'] ?? '';
    const { contract, contractId, dataset } = small;
    expect(check.checkManifest(await verifyManifest(jws, contract, contractId, dataset))).toBe(
      'reached',
    );
    expect(check.final).toBe(true);
  });

  test('goes on where a point says, in a new segment', async () => {
    const first = await sealerOf(small).seal(Buffer.from('one'), FACTS);
    const { stream, epoch } = first.seal;
    const options = { contractId: small.contractId, dataset: small.dataset, stream, epoch };
    const again = createStreamSealer({
      ...options,
      point: first.point,
      signer: small.owner.signer,
      kid: 'owner',
      clock: { monotonic: () => 0 },
    });
    const second = await again.seal(Buffer.from('two'), FACTS);
    expect(second.seal.sequence).toBe(1);
    expect(second.seal.previous).toBe(sha256Hex(first.jws));
    expect(second.seal.segment).not.toBe(first.seal.segment);
  });

  test('wraps one secret a segment, until it is full or old', async () => {
    const time = { now: 0 };
    const sealer = sealerOf(small, time);
    const segments: string[] = [];
    for (let n = 0; n <= BATCHES_PER_SEGMENT_MAX; n += 1) {
      segments.push((await sealer.seal(Buffer.from('x'), FACTS)).seal.segment);
    }
    expect(new Set(segments.slice(0, BATCHES_PER_SEGMENT_MAX)).size).toBe(1);
    expect(segments.at(-1)).not.toBe(segments.at(-2));
    time.now = SEGMENT_AGE_MS_MAX - 1;
    const young = (await sealer.seal(Buffer.from('x'), FACTS)).seal.segment;
    time.now = SEGMENT_AGE_MS_MAX;
    const old = (await sealer.seal(Buffer.from('x'), FACTS)).seal.segment;
    expect(young).toBe(segments.at(-1));
    expect(old).not.toBe(young);
  });

  test('refuses a batch over the limit and goes on', async () => {
    const sealer = sealerOf(small);
    const tooLarge = sealer.seal(new Uint8Array(900_001), FACTS);
    await expect(tooLarge.catch(codeOf)).resolves.toBe('ERR_BATCH_TOO_LARGE');
    const largest = await sealer.seal(new Uint8Array(900_000), FACTS);
    expect(largest.seal.sequence).toBe(0);
    expect(parseBatchRecord(largest.record).ciphertext.length).toBe(900_000);
  });

  test('compresses when told to, and where it saves something', async () => {
    const sealer = sealerOf(small);
    const rows = Buffer.alloc(2_000_000, 'the same row again\n');
    const { seal, record } = await sealer.seal(rows, FACTS, 1);
    expect(seal).toMatchObject({ compression: 'zstd', plaintextBytes: rows.length });
    expect(record.value.length).toBeLessThan(10_000);
    const opened = await openBatch(record, openerOf(small));
    expect(Buffer.compare(opened.plaintext, rows)).toBe(0);
    const random = await sealer.seal(randomBytes(5_000), FACTS, 1);
    expect(random.seal).not.toHaveProperty('compression');
    expect(random.record.value.length).toBe(5_016);
  });

  test.each([
    ['random bytes over the limit', () => randomBytes(900_001)],
    ['more than any reader unfolds', () => Buffer.alloc(16 * 1024 * 1024 + 1)],
  ])('does not compress %s', async (_name, plaintext) => {
    const sealing = sealerOf(small).seal(plaintext(), FACTS, 1);
    await expect(sealing.catch(codeOf)).resolves.toBe('ERR_BATCH_TOO_LARGE');
  });

  test('ends after a failure, so that no number is used twice', async () => {
    const sealer = sealerOf(small);
    await expect(sealer.seal(Buffer.from('x'), { ...FACTS, rows: 0 })).rejects.toThrow();
    await expect(sealer.seal(Buffer.from('x'), FACTS)).rejects.toThrow();
  });
});
