import type { Crafting, Members } from './sealed-batch-craft.ts';
import type { World } from './sealed-batch-keys.ts';

/** Small changes that many vectors are made of. */

export const sealed = (seal: Members): Crafting => ({ seal });

export const edit = (from: string | RegExp, to: string) => (text: string) => text.replace(from, to);

export const flip =
  (at: number, bit = 1) =>
  (bytes: Buffer) => {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ bit;
    return flipped;
  };

export const dropped = (name: string): Crafting => ({
  record: (it) => {
    const { [name]: _gone, ...headers } = it.headers;
    return { ...it, headers };
  },
});

export function placeOf(world: World) {
  const { extract, stream } = world;
  return { contract: extract.id, dataset: extract.dataset.id, stream, epoch: 0 };
}

/** A base64url text with another last letter for the same bytes: a bit that carries nothing is set. */
export function withLeftoverBit(text: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return text.slice(0, -1) + (letters[letters.indexOf(text.slice(-1)) | 1] ?? '');
}
