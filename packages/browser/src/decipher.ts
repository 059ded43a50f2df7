import { gcm } from '@noble/ciphers/aes.js';

/**
 * `crypto.createDecipheriv` for AES-256-GCM. Node hands plaintext out before `final` has checked
 * the tag; here the tag is checked first, and what does not fit comes out as zeros until `final`
 * throws.
 */
export function createDecipheriv(name: string, key: Uint8Array, nonce: Uint8Array) {
  if (name !== 'aes-256-gcm' || key.length !== 32) throw new Error(`no cipher ${name} here`);
  let additional = new Uint8Array(0);
  let tag: Uint8Array | undefined;
  let isGenuine = false;
  return {
    setAAD(bytes: Uint8Array) {
      additional = new Uint8Array(bytes);
    },
    setAuthTag(bytes: Uint8Array) {
      tag = bytes;
    },
    update(ciphertext: Uint8Array): Uint8Array {
      if (tag === undefined) throw new Error('the tag comes before the ciphertext');
      const sealed = new Uint8Array(ciphertext.length + tag.length);
      sealed.set(ciphertext);
      sealed.set(tag, ciphertext.length);
      try {
        const plaintext = gcm(key, nonce, additional).decrypt(sealed);
        isGenuine = true;
        return plaintext;
      } catch {
        return new Uint8Array(ciphertext.length);
      }
    },
    final(): Uint8Array {
      if (!isGenuine) throw new Error('unable to authenticate data');
      return new Uint8Array(0);
    },
  };
}
