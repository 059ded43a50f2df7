import { inspect } from 'node:util';
import { codeOf } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { createIdentity, parseIdentity } from './identity.ts';

function codeFrom(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return codeOf(error);
  }
  return 'no error';
}

describe('identity', () => {
  test('comes back with the public halves that were handed out', async () => {
    const made = await createIdentity('north', { reading: true });
    const identity = parseIdentity(made.identityJson);
    expect(identity.party).toBe('north');
    expect(identity.signer.publicKey).toEqual(made.signingKey);
    expect(identity.reader?.publicKey).toEqual(made.readingKey);
  });

  test('has no reader without a reading key', async () => {
    const made = await createIdentity('north', { reading: false });
    expect(Object.keys(parseIdentity(made.identityJson))).toEqual(['party', 'signer']);
  });

  test('never shows a private key', async () => {
    const made = await createIdentity('north', { reading: true });
    const identity = parseIdentity(made.identityJson);
    const file = JSON.parse(made.identityJson);
    const shown = [inspect(identity, { depth: 9, showHidden: true }), `${identity}`].join();
    expect(shown).not.toContain(file.signing.d);
    expect(shown).not.toContain(file.reading.d);
    expect(() => JSON.stringify(identity)).toThrow(/key material/);
    expect(() => JSON.stringify(identity.signer)).toThrow(/key material/);
    expect(inspect(identity.signer)).toBe('[PrivateSigner]');
  });

  test('refuses every other shape with one code', async () => {
    const one = JSON.parse((await createIdentity('north', { reading: true })).identityJson);
    const two = JSON.parse((await createIdentity('north', { reading: true })).identityJson);
    const { d: _d, ...publicOnly } = one.signing;
    const bad: unknown[] = [
      'no json',
      [],
      { ...one, more: 1 },
      { ...one, party: 'North' },
      { ...one, party: undefined },
      { ...one, signing: publicOnly },
      { ...one, signing: { ...one.signing, x: two.signing.x } },
      { ...one, signing: { ...one.signing, alg: 'EdDSA' } },
      { ...one, signing: { kty: 'oct', k: 'AAAA' } },
      { ...one, reading: { ...one.reading, x: two.reading.x, y: two.reading.y } },
      { ...one, reading: one.signing },
      { ...one, reading: null },
    ];
    for (const value of bad) {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      expect([text, codeFrom(() => parseIdentity(text))]).toEqual([text, 'ERR_IDENTITY_MALFORMED']);
    }
  });

  test('refuses a name that cannot be a party', async () => {
    await expect(createIdentity('No Party', { reading: false })).rejects.toThrow();
  });
});
