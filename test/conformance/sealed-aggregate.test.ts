import { createCipheriv, createHash, createPrivateKey, hkdfSync } from 'node:crypto';
import { parseContract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema, PartyIdSchema } from '@strongroom/protocol/fields';
import { createUnwrapper, openAggregate } from '@strongroom/sealing/open';
import { expect, test } from 'vitest';
import { readResultVector } from './sealed-aggregate-vector.ts';

/**
 * The vector of schemas/sealed-aggregate: its records are made anew from its keys and its content,
 * by the words of the README and Node's cryptography alone, and opened by our reader.
 */

const vector = readResultVector();
const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const hkdf = (key: Uint8Array, info: string) =>
  Buffer.from(hkdfSync('sha256', key, new Uint8Array(0), info, 32));

const CUT = 900_000;
const NONCE = Buffer.alloc(12);
const COMMITMENT_INFO = 'strongroom/commitment/v1';

function padded(): Buffer {
  const content = bytesOf(vector.content);
  const all = Buffer.alloc(vector.plaintextBytes);
  all.writeUInt32BE(content.length);
  content.copy(all, 4);
  return all;
}

function claimed(seal: string) {
  return JSON.parse(bytesOf(seal.split('.')[1] ?? '').toString());
}

const records = vector.parts.map(({ key, headers, keyInfo }, index) => {
  const seal = headers['seal'] ?? '';
  const cipher = createCipheriv('aes-256-gcm', hkdf(bytesOf(vector.secret), keyInfo), NONCE);
  cipher.setAAD(Buffer.from(seal, 'ascii'));
  const ciphertext = cipher.update(padded().subarray(index * CUT, (index + 1) * CUT));
  cipher.final();
  return { key, headers, ciphertext, value: Buffer.concat([ciphertext, cipher.getAuthTag()]) };
});

function open(parts: readonly (typeof records)[number][]) {
  const contract = parseContract(vector.contract);
  const { readingKey } = contract.parties.find(({ id }) => id === 'analyst') ?? {};
  const key = createPrivateKey({ key: vector.readingPrivateKey, format: 'jwk' });
  return openAggregate(parts, {
    contract,
    contractId: ContractIdSchema.parse(vector.contractId),
    reader: PartyIdSchema.parse('analyst'),
    secretReader: createUnwrapper(key, readingKey ?? expect.fail('a reading key')),
    aggregateKey: vector.signingKey,
    tokenSha256: vector.token,
  });
}

test('keys, ciphertexts and tags of each part follow from what the README says', () => {
  expect(records.map(({ ciphertext }) => ciphertext.length)).toEqual([CUT, 4_096]);
  for (const [index, part] of vector.parts.entries()) {
    const seal = claimed(part.headers['seal'] ?? '');
    const { contract, query, reader, epoch, emission, segment } = seal;
    const place = [contract, query, reader, epoch, emission].join(' ');
    expect(part.keyInfo).toBe(`strongroom/aggregate-key/v1 ${place} ${index} 2`);
    expect(part.headers['ce_id']).toBe(`${reader}.${epoch}.${emission}.${index}`);
    expect(seal.part).toEqual({ index, count: 2 });
    const dataKey = hkdf(bytesOf(vector.secret), part.keyInfo);
    expect(dataKey.toString('base64url')).toBe(part.dataKey);
    expect(hkdf(dataKey, COMMITMENT_INFO).toString('base64url')).toBe(seal.commitment);
    const { ciphertext = Buffer.alloc(0), value } = records[index] ?? {};
    const digest = createHash('sha256').update(ciphertext).digest('hex');
    expect([seal.ciphertextSha256, part.ciphertextSha256]).toEqual([digest, digest]);
    expect(value?.subarray(-16).toString('base64url')).toBe(part.tag);
    expect(segment).toBe(claimed(vector.parts[0]?.headers['seal'] ?? '').segment);
  }
});

test('both parts open together, and not otherwise', async () => {
  const { arrow, content } = await open(records);
  expect(Buffer.from(arrow).toString()).toBe('an Arrow IPC stream');
  expect(content).toMatchObject({ v: 1, rows: 1 });
  for (const bad of [records.slice(1), records.slice(0, 1), records.toReversed(), []]) {
    expect(await open(bad).then(() => 'opened', codeOf)).toBe('ERR_AGGREGATE_INCOMPLETE');
  }
});
