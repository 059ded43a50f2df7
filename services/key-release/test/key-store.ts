import { randomBytes } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import type { NewKey } from '../src/keys/key-store.ts';

/** A symmetric key to be made, and what an act on a store is refused with. */

export const policy = { contentType: 'application/json', data: 'e30', immutable: false };

export const keyOf = (name: string, changes: Partial<NewKey> = {}): NewKey => ({
  ...{ name, kty: 'oct', operations: ['encrypt'], exportable: true, tags: {}, policy },
  ...{ enabled: true, notBefore: null, expires: null },
  material: { publicKey: {}, secret: randomBytes(32) },
  ...changes,
});

/** The code, or the error that has none; undefined when nothing is thrown. */
export const thrown = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return codeOf(error) ?? error;
  }
  return undefined;
};
