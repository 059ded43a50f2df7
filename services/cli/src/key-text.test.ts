import { expect, test } from 'vitest';
import { isPublicKey, keyText } from './key-text.ts';

// RFC 7638 section 3.1, without the members that do not name the key.
const RSA = {
  kty: 'RSA',
  n:
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP' +
    'ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY' +
    '368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f' +
    'M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
  e: 'AQAB',
} as const;
// RFC 8037 appendix A.3.
const ED25519 = {
  crv: 'Ed25519',
  kty: 'OKP',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
} as const;

test.each([
  [RSA, 'RSA key of 2048 bits, thumbprint NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'],
  [ED25519, 'Ed25519 key, thumbprint kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'],
])('a key is called by its thumbprint', (key, text) => {
  expect(isPublicKey(key)).toBe(true);
  expect(keyText(key)).toBe(text);
});

test('what has a member more is not abridged: it would be hidden', () => {
  expect(isPublicKey({ ...RSA, d: 'AQAB' })).toBe(false);
  expect(isPublicKey({ ...ED25519, use: 'sig' })).toBe(false);
  expect(isPublicKey({ kty: 'RSA', n: RSA.n })).toBe(false);
});
