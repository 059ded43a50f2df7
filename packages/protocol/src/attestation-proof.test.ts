import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createProof,
  issuerOf,
  parseProof,
  parseTarget,
  proofBytes,
  proofTarget,
} from './attestation-proof.ts';
import { encodeBase64url } from './base64url.ts';
import { codeOf } from './errors.ts';
import { PROOF_BYTES_MAX, TOKEN_BYTES_MAX } from './limits.ts';

const part = (value: unknown) => encodeBase64url(new TextEncoder().encode(JSON.stringify(value)));
const tokenOf = (iss: unknown, more = {}) =>
  `${part({ alg: 'RS256' })}.${part({ iss, ...more })}.AA`;
const A = tokenOf('https://a.example');
const B = tokenOf('https://b.example');
const EVIDENCE = { report: 'AAAA', certificateChain: 'PEM', runtimeClaims: 'e30' };

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytesOf = (text: string) => new TextEncoder().encode(text);
const thrownBy = (act: () => unknown): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('an attestation proof', () => {
  test('has one byte form, whatever the order that the tokens came in', () => {
    const bytes = proofBytes(createProof([B, A], EVIDENCE));
    expect(textOf(bytes)).toBe(
      '{"evidence":{"certificateChain":"PEM","report":"AAAA","runtimeClaims":"e30"},' +
        `"tokens":["${A}","${B}"],"v":1}`,
    );
    expect(parseProof(bytes)).toEqual(createProof([A, B], EVIDENCE));
    expect(parseTarget(proofTarget(createProof([A, B])))).toEqual({ v: 1, tokens: [A, B] });
  });

  test('as a target may be one bare token, which is what Azure knows', () => {
    expect(parseTarget(A)).toEqual({ v: 1, tokens: [A] });
  });

  test('survives the way for any tokens and evidence', () => {
    const issuers = fc.uniqueArray(fc.string({ minLength: 1, unit: 'binary' }), {
      minLength: 1,
      maxLength: 8,
    });
    const evidence = fc.record({
      report: fc.string(),
      certificateChain: fc.string(),
      runtimeClaims: fc.string(),
    });
    fc.assert(
      fc.property(issuers, fc.option(evidence, { nil: undefined }), (names, raw) => {
        const proof = createProof(
          names.map((iss) => tokenOf(iss)),
          raw,
        );
        expect(parseProof(proofBytes(proof))).toEqual(proof);
        expect(parseTarget(proofTarget(proof))).toEqual(proof);
        expect([...proof.tokens].map(issuerOf)).toEqual([...names].sort());
        expect(proofBytes(createProof([...proof.tokens].reverse(), raw))).toEqual(
          proofBytes(proof),
        );
      }),
      { seed: 3 },
    );
  });

  const whole = textOf(proofBytes(createProof([A, B])));
  test.each([
    ['nothing', ''],
    ['no JSON', 'token'],
    ['a bare token', A],
    ['no tokens', '{"tokens":[],"v":1}'],
    ['another version', whole.replace('"v":1', '"v":2')],
    ['a stranger', whole.replace('"v":1', '"v":1,"x":1')],
    ['white space', `${whole} `],
    ['another order of members', `{"v":1,"tokens":["${A}","${B}"]}`],
    ['another order of tokens', whole.replace(`"${A}","${B}"`, `"${B}","${A}"`)],
    ['one authority twice', whole.replace(B, tokenOf('https://a.example', { jti: 'other' }))],
    ['two tokens without issuer', whole.replace(A, tokenOf(1)).replace(B, tokenOf(2))],
    ['nine tokens', textOf(bytesOf(JSON.stringify({ tokens: Array(9).fill(A), v: 1 })))],
    ['a token of two parts', whole.replace(A, 'e30.AA')],
    ['a token over its limit', whole.replace(A, `${A}${'A'.repeat(TOKEN_BYTES_MAX)}`)],
    ['evidence that lacks a part', whole.replace('{', '{"evidence":{"report":""},')],
    ['null evidence', whole.replace('{', '{"evidence":null,')],
  ])('is refused with %s', (_name, text) => {
    expect(codeOf(thrownBy(() => parseProof(bytesOf(text))))).toBe('ERR_TOKEN_INVALID');
    const target = encodeBase64url(bytesOf(text));
    expect(codeOf(thrownBy(() => parseTarget(target)))).toBe('ERR_TOKEN_INVALID');
  });

  test('cannot be made of two tokens of one authority', () => {
    const twice = [A, tokenOf('https://a.example', { jti: 'other' })];
    expect(codeOf(thrownBy(() => createProof(twice)))).toBe('ERR_TOKEN_INVALID');
  });

  test.each(['', 'A', '====', 'e30=', 'a.b', 'a.b.c.d', '..', 'e30 '])(
    'a target %j is neither form',
    (target) => {
      expect(codeOf(thrownBy(() => parseTarget(target)))).toBe('ERR_TOKEN_INVALID');
    },
  );

  test('has a limit, before anything of it is read', () => {
    const evidence = { ...EVIDENCE, certificateChain: 'x'.repeat(PROOF_BYTES_MAX) };
    expect(codeOf(thrownBy(() => proofBytes(createProof([A], evidence))))).toBe(
      'ERR_LIMIT_EXCEEDED',
    );
    const long = new Uint8Array(PROOF_BYTES_MAX + 1);
    expect(codeOf(thrownBy(() => parseProof(long)))).toBe('ERR_LIMIT_EXCEEDED');
  });
});
