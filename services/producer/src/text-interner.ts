import { isUtf8 } from 'node:buffer';

/**
 * Numbers the distinct byte strings of one batch in order of first appearance: the dictionary of a
 * dictionary-encoded column. Works on bytes, so that no string is decoded and encoded again.
 */
export class TextInterner {
  #bytes = new Uint8Array(4_096);
  /** Entry i is #bytes[#offsets[i] .. #offsets[i + 1]). */
  #offsets = new Int32Array(513);
  #hashes = new Int32Array(512);
  /** Open addressing: entry + 1, 0 for a free slot. A power of two, at most half full. */
  #slots = new Int32Array(1_024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes of all distinct strings together. */
  get byteLength(): number {
    return this.#offsets[this.#count] ?? 0;
  }

  /** Arrow's layout of a utf8 column: one offset more than entries, and the bytes end to end. */
  dictionary(): { offsets: Int32Array; bytes: Uint8Array; count: number } {
    return {
      offsets: this.#offsets.subarray(0, this.#count + 1),
      bytes: this.#bytes.subarray(0, this.byteLength),
      count: this.#count,
    };
  }

  /** The number of the string source[start .. start + length); -1 when it is not UTF-8. */
  intern(source: Uint8Array, start: number, length: number): number {
    const hash = hashOf(source, start, length);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const entry = (this.#slots[slot] ?? 0) - 1;
      if (entry < 0) return this.#add(source, start, length, hash, slot);
      if (this.#hashes[entry] === hash && this.#equals(entry, source, start, length)) return entry;
      slot = (slot + 1) & mask;
    }
  }

  /** Forgets all strings, keeps the room. */
  clear(): void {
    this.#count = 0;
    this.#slots.fill(0);
  }

  #equals(entry: number, source: Uint8Array, start: number, length: number): boolean {
    const from = this.#offsets[entry] ?? 0;
    if ((this.#offsets[entry + 1] ?? 0) - from !== length) return false;
    for (let index = 0; index < length; index += 1) {
      if (this.#bytes[from + index] !== source[start + index]) return false;
    }
    return true;
  }

  #add(source: Uint8Array, start: number, length: number, hash: number, slot: number): number {
    const text = source.subarray(start, start + length);
    if (!isUtf8(text)) return -1;
    const entry = this.#count;
    const from = this.#offsets[entry] ?? 0;
    if (entry + 1 >= this.#offsets.length) {
      this.#offsets = grown(this.#offsets, entry + 2);
      this.#hashes = grown(this.#hashes, entry + 2);
    }
    if (from + length > this.#bytes.length) this.#bytes = grown(this.#bytes, from + length);
    this.#bytes.set(text, from);
    this.#offsets[entry + 1] = from + length;
    this.#hashes[entry] = hash;
    this.#slots[slot] = entry + 1;
    this.#count = entry + 1;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
    return entry;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < this.#count; entry += 1) {
      let slot = (this.#hashes[entry] ?? 0) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = entry + 1;
    }
  }
}

/** FNV-1a with a final mix: the low bits, which choose the slot, then depend on every byte. */
function hashOf(source: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5 ^ length;
  for (let index = start; index < start + length; index += 1) {
    hash = Math.imul(hash ^ (source[index] ?? 0), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return hash ^ (hash >>> 15);
}

function grown<Words extends Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(
  words: Words,
  needed: number,
): Words;
function grown(words: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer>, needed: number) {
  const length = Math.max(words.length * 2, needed);
  const larger = words instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length);
  larger.set(words);
  return larger;
}
