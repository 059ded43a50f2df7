import { createHmac, randomBytes } from 'node:crypto';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { type CanonicalForm, JoinKeyFileSchema } from '@strongroom/protocol/canonical-form';
import { StrongroomError } from '@strongroom/protocol/errors';
import { sha256Hex } from './digest.ts';
import { Secret } from './secret.ts';

/**
 * A key that owners share, and neither vault nor analyst has: their producers replace the values of
 * a column by keyed hashes, which match where the values do. Its id is a commitment, so that a
 * contract names one key and no other fits.
 */
export interface JoinKey {
  readonly keyId: string;
  /**
   * HMAC-SHA-256 (RFC 2104) of a text in a canonical form, as base64url: of one length, whatever
   * the text is. No contract is named: after an amendment rows of before it still match.
   */
  hash(form: CanonicalForm, text: string): string;
}

class HeldJoinKey extends Secret implements JoinKey {
  readonly keyId: string;
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    super();
    this.keyId = sha256Hex(Buffer.concat([Buffer.from(ID_DOMAIN), key]));
    this.#key = key;
  }

  hash(form: CanonicalForm, text: string): string {
    // No form and no id holds a NUL, so that no two pairs are one message.
    const message = `${HASH_DOMAIN}${form}\0${this.keyId}\0${text}`;
    return createHmac('sha256', this.#key).update(message).digest('base64url');
  }
}

const ID_DOMAIN = 'strongroom/join-key-id/v1\0';
const HASH_DOMAIN = 'strongroom/join-key/v1\0';
const KEY_BYTES = 32;

/**
 * Reads what `strongroom key join` made.
 * @throws ERR_JOIN_KEY_MALFORMED
 */
export function parseJoinKey(text: string): JoinKey {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrongroomError('ERR_JOIN_KEY_MALFORMED', { problem: 'not JSON' });
  }
  const file = JoinKeyFileSchema.safeParse(value);
  const key = file.success ? decodeBase64url(file.data.key) : undefined;
  if (!file.success || !key) {
    throw new StrongroomError('ERR_JOIN_KEY_MALFORMED', { problem: 'another form' });
  }
  const held = new HeldJoinKey(key);
  if (held.keyId === file.data.keyId) return held;
  const problem = 'its id is that of another key';
  throw new StrongroomError('ERR_JOIN_KEY_MALFORMED', { problem });
}

/** A new key, as the text of its file. */
export function createJoinKey(): { readonly keyId: string; readonly fileJson: string } {
  const key = randomBytes(KEY_BYTES);
  const { keyId } = new HeldJoinKey(key);
  const file = { strongroom: 'join-key/v1', keyId, key: encodeBase64url(key) };
  key.fill(0);
  return { keyId, fileJson: `${JSON.stringify(file)}\n` };
}
