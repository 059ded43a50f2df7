import { describe, expect, test } from 'vitest';
import { agreementOf, guardProblemIn, independent, needsWholeProof } from './guards.ts';
import type { IssuerKey } from './public-key.ts';

const rsa = (n: string, e = 'AQAB'): IssuerKey => ({ kty: 'RSA', n, e });
const ec = (x: string, y: string, crv: 'P-256' | 'P-384' = 'P-256'): IssuerKey => ({
  kty: 'EC',
  ...{ crv, x, y },
});
const authority = (name: string, ...keys: IssuerKey[]) => ({
  issuer: `https://${name}.example`,
  keys,
});

describe('guards of a contract', () => {
  test('without the members one authority is enough, and a bare token proves it', () => {
    expect(agreementOf({})).toBe(1);
    expect(needsWholeProof({})).toBe(false);
    expect(needsWholeProof({ agreement: 1, ownVerification: false })).toBe(false);
    expect(needsWholeProof({ agreement: 2 })).toBe(true);
    expect(needsWholeProof({ ownVerification: true })).toBe(true);
  });

  const one = authority('one', rsa('AQAA'));
  test.each([
    ['one issuer under two entries', [one, authority('one', rsa('AgAA'))], 1],
    ['more agreement than authorities', [one], 2],
    ['the same key', [one, authority('two', rsa('AQAA'))], 2],
    ['the same key among others', [one, authority('two', rsa('AgAA'), rsa('AQAA'))], 2],
    ['the same modulus, another exponent', [one, authority('two', rsa('AQAA', 'Aw'))], 2],
    ['the same modulus, another spelling', [one, authority('two', rsa('AAEAAA'))], 2],
    [
      'a point and its negative',
      [authority('a', ec('AQAA', 'AQ')), authority('b', ec('AQAA', 'Ag'))],
      2,
    ],
  ])('are refused with %s', (_name, authorities, agreement) => {
    expect(guardProblemIn({ authorities, agreement })).toEqual(expect.any(String));
  });

  test.each([
    ['another modulus', [one, authority('two', rsa('AgAA'))], 2],
    [
      'equal numbers of other curves',
      [authority('a', ec('AQAA', 'AQ')), authority('b', ec('AQAA', 'AQ', 'P-384'))],
      2,
    ],
    ['two keys of one authority', [authority('one', rsa('AQAA'), rsa('AQAA'))], 1],
    ['a shared key where nobody has to agree', [one, authority('two', rsa('AQAA'))], 1],
  ])('are fine with %s', (_name, authorities, agreement) => {
    expect(guardProblemIn({ authorities, agreement })).toBeUndefined();
  });

  test('an authority behind a name of its own counts once', () => {
    const two = authority('two', rsa('AgAA'));
    const alias = authority('alias', rsa('AwAA'), rsa('AQAA'));
    const aliasOfAlias = authority('again', rsa('AwAA'));
    expect(independent([one, two, alias, aliasOfAlias])).toEqual([one, two]);
  });
});
