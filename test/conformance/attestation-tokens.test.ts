import { verifyToken } from '@strongroom/attestation/token';
import { describe, expect, test } from 'vitest';
import { CLAIM_CASES, TIME_CASES } from './token-cases-claims.ts';
import { FORM_CASES, SIGNATURE_CASES } from './token-cases-form.ts';
import { ALGORITHM_CASES, HEADER_CASES, KEY_CASES } from './token-cases-header.ts';
import { AUTHORITY, CLAIMS, checkOf, craft, KEYS, NOW_S, publicJwk } from './token-craft.ts';

/** Tokens with one thing wrong, each refused by the step that is there for it. */

const TABLES = {
  'a form': FORM_CASES,
  'a signature': SIGNATURE_CASES,
  'an algorithm': ALGORITHM_CASES,
  'a key': KEY_CASES,
  'a header': HEADER_CASES,
  'a time': TIME_CASES,
  'a claim': CLAIM_CASES,
};

describe.each(Object.entries(TABLES))('%s', (_name, cases) => {
  test.each(cases)('%s', async (_case, jwt, check) => {
    expect(await checkOf(jwt())).toBe(check);
  });
});

test('every case is another one, and most are refused', () => {
  const all = Object.entries(TABLES).flatMap(([table, cases]) =>
    cases.map(([name, , check]) => ({ name: `${table} ${name}`, check })),
  );
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  expect(all.filter(({ check }) => check !== 'accepted').length).toBeGreaterThan(200);
});

test('a list of algorithms narrows what keys can do, and widens nothing', async () => {
  const wide = { ...AUTHORITY, algorithms: ['RS256', 'PS256', 'PS384', 'ES256', 'ES384'] as const };
  const answer = (jwt: string) => checkOf(jwt, { authorities: [wide] });
  expect(await answer(craft({ as: 'PS256' }))).toBe('accepted');
  expect(await answer(craft({ as: 'PS384' }))).toBe('accepted');
  expect(await answer(craft({ as: 'PS512' }))).toBe('algorithm');
  expect(await answer(craft({ as: 'RS384' }))).toBe('algorithm');
  expect(await answer(craft({ by: 'p384', as: 'ES256' }))).toBe('algorithm');
});

test('a key that is for one algorithm verifies nothing else', async () => {
  const keys = [{ ...publicJwk(KEYS.rsa), kid: 'rsa', alg: 'PS256' as const }];
  const answer = (jwt: string, more: object = {}) =>
    checkOf(jwt, { authorities: [{ ...AUTHORITY, keys, ...more }] });
  expect(await answer(craft({ as: 'PS256' }))).toBe('accepted');
  expect(await answer(craft())).toBe('algorithm');
  expect(await answer(craft({ as: 'PS256' }), { algorithms: ['RS256'] })).toBe('algorithm');
  expect(await answer(craft(), { algorithms: ['RS256'] })).toBe('algorithm');
});

test('of two keys under one name each verifies its own tokens', async () => {
  const keys = [KEYS.rsa, KEYS.otherRsa, KEYS.p256].map((each) => ({
    ...publicJwk(each),
    kid: 'k',
  }));
  const answer = (jwt: string) => checkOf(jwt, { authorities: [{ ...AUTHORITY, keys }] });
  const header = { kid: 'k' };
  expect(await answer(craft({ header }))).toBe('accepted');
  expect(await answer(craft({ by: 'otherRsa', header }))).toBe('accepted');
  expect(await answer(craft({ by: 'p256', as: 'ES256', header }))).toBe('accepted');
  expect(await answer(craft({ by: 'otherP256', as: 'ES256', header }))).toBe('signature');
});

test('a token of one authority is not one of another, whoever has which key', async () => {
  const second = { issuer: 'https://second.example', keys: [publicJwk(KEYS.otherRsa)] };
  const authorities = [AUTHORITY, second];
  const says = { payload: { ...CLAIMS, iss: second.issuer } };
  expect(await checkOf(craft({ ...says, by: 'otherRsa' }), { authorities })).toBe('accepted');
  expect(await checkOf(craft(says), { authorities })).toBe('signature');
  expect(await checkOf(craft({ by: 'otherRsa' }), { authorities })).toBe('key-id');
});

test('what stands behind a prototype is no claim', async () => {
  const text = JSON.stringify(CLAIMS).replace('{', '{"__proto__":{"x-ms-ver":"1.0"},');
  const clock = { now: () => NOW_S * 1_000 };
  const options = { authorities: [AUTHORITY], clock };
  const found = await verifyToken(craft({ payload: text }), options);
  expect(found['x-ms-ver']).toBeUndefined();
  expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
});
