import { createSecretKey, randomBytes } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { SEAL_HEADER } from '@strongroom/protocol/record';
import { CompactEncrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import { openPrepared, sealPrepared } from './prepared.ts';

const contract = ContractIdSchema.parse('c0'.repeat(32));
const stateKey = createSecretKey(randomBytes(32));
const records = [
  { key: 'all.analyst', headers: { ce_type: 'a' }, value: Uint8Array.of(1, 2, 3) },
  { key: null, headers: {}, value: new Uint8Array(0) },
  { key: 'c', headers: { ce_type: 'b', seal: 'x' }, value: new Uint8Array(randomBytes(70_000)) },
];
const step = { contract, from: 'aa'.repeat(32), to: 'bb'.repeat(32), records };

function sealed() {
  const { value, headers } = sealPrepared(step, { epoch: 3, checkpoint: 7 }, stateKey);
  return { value, seal: headers[SEAL_HEADER] ?? '' };
}

const codeFrom = (promise: Promise<unknown>) =>
  promise.then(
    () => 'opened',
    (error: unknown) => codeOf(error),
  );

describe('a prepared step', () => {
  test('opens to the same bytes', async () => {
    expect(await openPrepared(sealed(), stateKey, contract)).toEqual(step);
  });

  test('is a compact JWE with its ciphertext aside', () => {
    const { seal, value } = sealed();
    const [head = '', wrapped, iv = '', detached, tag = ''] = seal.split('.');
    expect([wrapped, detached]).toEqual(['', '']);
    expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({
      alg: 'dir',
      enc: 'A256GCM',
      typ: 'strongroom-prepared+jwe',
    });
    expect(Buffer.from(iv, 'base64url')).toHaveLength(12);
    expect(Buffer.from(tag, 'base64url')).toHaveLength(16);
    const values = records.reduce((sum, each) => sum + each.value.length, 0);
    expect(value.length - values).toBeLessThan(600);
  });

  test('of which one bit changed, or of another key or contract, does not open', async () => {
    const { seal, value } = sealed();
    const flipped = value.slice();
    flipped[100] = (flipped[100] ?? 0) ^ 1;
    const other = ContractIdSchema.parse('c1'.repeat(32));
    const parts = seal.split('.');
    const wrong: Parameters<typeof openPrepared>[] = [
      [{ seal, value: flipped }, stateKey, contract],
      [{ seal, value: value.subarray(0, -1) }, stateKey, contract],
      [{ seal, value }, createSecretKey(randomBytes(32)), contract],
      [{ seal, value }, stateKey, other],
      [{ seal: `${seal}.`, value }, stateKey, contract],
      [{ seal: parts.with(3, 'AA').join('.'), value }, stateKey, contract],
      [{ seal: parts.with(1, 'AA').join('.'), value }, stateKey, contract],
      [{ seal: '', value }, stateKey, contract],
    ];
    for (const each of wrong) {
      expect(await codeFrom(openPrepared(...each))).toBe('ERR_CHECKPOINT_INVALID');
    }
  });

  test('is no checkpoint, and a checkpoint is none', async () => {
    const jwe = await new CompactEncrypt(new TextEncoder().encode('{}'))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'strongroom-checkpoint+jwe' })
      .encrypt(stateKey);
    const parts = jwe.split('.');
    const value = new Uint8Array(Buffer.from(parts[3] ?? '', 'base64url'));
    const seal = parts.with(3, '').join('.');
    expect(await codeFrom(openPrepared({ seal, value }, stateKey, contract))).toBe(
      'ERR_CHECKPOINT_INVALID',
    );
  });
});
