import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeBase64url } from './base64url.ts';
import { canonicalBytes } from './canonical-json.ts';
import { codeOf, StrongroomError } from './errors.ts';
import { RuntimeClaimsSchema } from './evidence.ts';
import {
  EVIDENCE_PURPOSE,
  EvidenceClaimsSchema,
  EvidenceStatementSchema,
  parseChallenge,
} from './evidence-answer.ts';
import {
  IDENTIFIER_CHARACTERS_MAX,
  SEQUENCE_MAX,
  STATEMENT_BYTES_MAX,
  STREAMS_MAX,
} from './limits.ts';

const contract = 'ab'.repeat(32);
const nonce = encodeBase64url(new Uint8Array(32).fill(7));
const bytesOf = (text: string) => new TextEncoder().encode(text);

function refusalOf(bytes: Uint8Array): { code: string | undefined; part: unknown } {
  try {
    parseChallenge(bytes);
  } catch (error) {
    const part = error instanceof StrongroomError ? error.facts['part'] : undefined;
    return { code: codeOf(error), part };
  }
  return { code: undefined, part: undefined };
}

describe('a challenge', () => {
  test('has one form', () => {
    const bytes = bytesOf(`{"contract":"${contract}","nonce":"${nonce}"}`);
    expect(parseChallenge(bytes)).toEqual({ contract, nonce });
    expect(canonicalBytes({ nonce, contract })).toEqual(bytes);
  });

  test.each([
    ['nothing', '', 'canonical JSON'],
    ['no JSON', 'nonce', 'canonical JSON'],
    ['another order', `{"nonce":"${nonce}","contract":"${contract}"}`, 'canonical JSON'],
    ['white space', `{"contract":"${contract}", "nonce":"${nonce}"}`, 'canonical JSON'],
    [
      'a member twice',
      `{"contract":"x","contract":"${contract}","nonce":"${nonce}"}`,
      'canonical JSON',
    ],
    ['a byte order mark', `\ufeff{"contract":"${contract}","nonce":"${nonce}"}`, 'canonical JSON'],
    ['null', 'null', 'members'],
    ['a list', '[]', 'members'],
    ['no nonce', `{"contract":"${contract}"}`, 'nonce'],
    ['a nonce of 31 bytes', `{"contract":"${contract}","nonce":"${nonce.slice(0, 42)}"}`, 'nonce'],
    [
      'a nonce in a second spelling',
      `{"contract":"${contract}","nonce":"${nonce.slice(0, 42)}d"}`,
      'nonce',
    ],
    ['a number as nonce', `{"contract":"${contract}","nonce":1}`, 'nonce'],
    ['upper case', `{"contract":"${contract.toUpperCase()}","nonce":"${nonce}"}`, 'contract'],
    ['a member more', `{"contract":"${contract}","nonce":"${nonce}","x":1}`, 'members'],
    ['a prototype', `{"__proto__":{},"contract":"${contract}","nonce":"${nonce}"}`, 'members'],
    ['a mebibyte', ' '.repeat(1024 * 1024), 'size'],
  ])('that is %s is refused', (_name, text, part) => {
    expect(refusalOf(bytesOf(text))).toEqual({ code: 'ERR_CHALLENGE_MALFORMED', part });
  });

  test('is never anything but a challenge or refused by code', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.json({ maxDepth: 3 }).map(bytesOf),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        expect(refusalOf(bytes).code).toBe('ERR_CHALLENGE_MALFORMED');
      }),
    );
  });
});

describe('claims of an answer', () => {
  const aggregates = {
    kty: 'OKP',
    crv: 'Ed25519',
    x: nonce,
    kid: 'aggregates',
    key_ops: ['verify'],
  };
  const transport = { kty: 'RSA', n: 'AQ', e: 'AQAB', kid: 'transport', key_ops: ['encrypt'] };
  const start = { contract, keys: [transport, aggregates], nonce, purpose: 'strongroom/worker/v1' };
  const answer = { contract, keys: [aggregates], nonce, purpose: EVIDENCE_PURPOSE };

  test('and those of a start are never the same thing', () => {
    expect(RuntimeClaimsSchema.safeParse(start).success).toBe(true);
    expect(EvidenceClaimsSchema.safeParse(answer).success).toBe(true);
    for (const purpose of [start.purpose, answer.purpose]) {
      expect(RuntimeClaimsSchema.safeParse({ ...answer, purpose }).success).toBe(false);
      expect(EvidenceClaimsSchema.safeParse({ ...start, purpose }).success).toBe(false);
    }
    expect(RuntimeClaimsSchema.safeParse({ ...start, purpose: EVIDENCE_PURPOSE }).success).toBe(
      false,
    );
    expect(EvidenceClaimsSchema.safeParse({ ...answer, purpose: start.purpose }).success).toBe(
      false,
    );
  });
});

test('a statement about the most streams fits', () => {
  const stream = {
    dataset: 'd'.repeat(IDENTIFIER_CHARACTERS_MAX),
    stream: encodeBase64url(new Uint8Array(16)),
    sequences: SEQUENCE_MAX,
    rows: SEQUENCE_MAX,
    final: false,
  };
  const statement = EvidenceStatementSchema.parse({
    v: 1,
    contract,
    nonce,
    epoch: SEQUENCE_MAX,
    token: contract,
    streams: Array.from({ length: STREAMS_MAX }, () => stream),
    refusals: {},
  });
  const characters = Math.ceil((canonicalBytes(statement).length * 4) / 3);
  expect(characters + 1_024).toBeLessThan(STATEMENT_BYTES_MAX);
});
