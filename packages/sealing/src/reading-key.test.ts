import { generateKeyPairSync } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { createIdentity, parseIdentity } from './identity.ts';
import { importReader } from './reading-key.ts';
import { createSegment } from './segment.ts';

const jwkOf = (key: { export(options: { format: 'jwk' }): object }) =>
  key.export({ format: 'jwk' });
const KINDS = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  X25519: generateKeyPairSync('x25519'),
  RSA: generateKeyPairSync('rsa', { modulusLength: 3072 }),
} as const;
const signing = jwkOf(generateKeyPairSync('ed25519').privateKey);
const fileOf = (reading: unknown) => JSON.stringify({ party: 'authority', signing, reading });

describe('a reading key as WebCrypto holds it', () => {
  test.each(Object.entries(KINDS))('%s opens what parseIdentity opens', async (_kind, keys) => {
    const file = fileOf(jwkOf(keys.privateKey));
    const { reader } = await importReader(file);
    const own = parseIdentity(file).reader;
    expect(reader.publicKey).toEqual(own?.publicKey);
    const [context, info] = [new Uint8Array([1]), new Uint8Array([2])];
    const place = { kid: 'authority', context, info };
    const { wrapped } = createSegment({ wrappingKey: reader.publicKey, kid: 'authority', context });
    const keyOf = async (from = reader) => (await from.dataKey(await wrapped, place)).commitment();
    expect(await keyOf()).toEqual(await keyOf(own));
    await expect(reader.dataKey(await wrapped, { ...place, kid: 'other' })).rejects.toThrow();
  });

  test('is asked for as a key that cannot be read out', async () => {
    const asked: unknown[] = [];
    const { importKey } = crypto.subtle;
    crypto.subtle.importKey = (...args: unknown[]) => {
      asked.push(args[3]);
      return Reflect.apply(importKey, crypto.subtle, args);
    };
    try {
      await importReader((await createIdentity('authority', { reading: true })).identityJson);
    } finally {
      crypto.subtle.importKey = importKey;
    }
    expect(asked).toEqual([false]);
  });

  const good = jwkOf(KINDS['P-256'].privateKey);
  const other = jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  test.each([
    ['no JSON', '{'],
    ['no reading key', JSON.stringify({ party: 'authority', signing })],
    ['a public key', fileOf(jwkOf(KINDS['P-256'].publicKey))],
    ['the public half of another key', fileOf({ ...good, ...other })],
    ['a member too many', fileOf({ ...good, alg: 'ECDH-ES' })],
    ['a key that signs', fileOf(signing)],
    ['no party', JSON.stringify({ party: 7, signing, reading: good })],
  ])('refuses %s', async (_name, text) => {
    const code = await importReader(text).then(() => 'none', codeOf);
    expect(code).toBe('ERR_IDENTITY_MALFORMED');
  });
});
