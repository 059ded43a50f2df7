import { createHash, createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { codeOf } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { createJoinKey, parseJoinKey } from './join-key.ts';

const KEY = Buffer.alloc(32, 7);
const KEY_ID = createHash('sha256').update('strongroom/join-key-id/v1\0').update(KEY).digest('hex');
const FILE = { strongroom: 'join-key/v1', keyId: KEY_ID, key: KEY.toString('base64url') };

describe('a join key', () => {
  test('hashes as it is written down, to one length', () => {
    const joinKey = parseJoinKey(JSON.stringify(FILE));
    expect(joinKey.keyId).toBe(KEY_ID);
    for (const text of ['', '+41446681800', 'ö'.repeat(10_000)]) {
      const message = ['strongroom/join-key/v1', 'phone/1', KEY_ID, text].join('\0');
      const expected = createHmac('sha256', KEY).update(message, 'utf8').digest('base64url');
      expect(joinKey.hash('phone/1', text)).toBe(expected);
      expect(expected).toHaveLength(43);
    }
    expect(joinKey.hash('email/1', 'a')).not.toBe(joinKey.hash('trimmed/1', 'a'));
  });

  test('is not printed', () => {
    const joinKey = parseJoinKey(JSON.stringify(FILE));
    expect(`${joinKey} ${inspect(joinKey)}`).toBe('[HeldJoinKey] [HeldJoinKey]');
    expect(() => JSON.stringify(joinKey)).toThrow('not serialisable');
  });

  test('is made anew each time, and read again', () => {
    const [one, other] = [createJoinKey(), createJoinKey()];
    expect(parseJoinKey(one.fileJson).keyId).toBe(one.keyId);
    expect(one.keyId).not.toBe(other.keyId);
  });

  test.each<[string, string]>([
    ['no JSON', 'secret'],
    ['another id', JSON.stringify({ ...FILE, keyId: 'a'.repeat(64) })],
    ['a short key', JSON.stringify({ ...FILE, key: KEY.subarray(1).toString('base64url') })],
    ['padding', JSON.stringify({ ...FILE, key: `${FILE.key}=` })],
    ['a member more', JSON.stringify({ ...FILE, more: 1 })],
  ])('of another form is refused: %s', (_name, text) => {
    let thrown: unknown;
    try {
      parseJoinKey(text);
    } catch (error) {
      thrown = error;
    }
    expect(codeOf(thrown)).toBe('ERR_JOIN_KEY_MALFORMED');
    expect(`${thrown}`).not.toContain(FILE.key.slice(1));
  });
});
