import { describe, expect, it } from 'vitest';
import { freeMemory, MessageMemory } from './message-memory.ts';

const MIB = 1_048_576;

/** A message with this in each of its bytes, and its values as a reader gets them. */
function message(memory: MessageMemory, fill: number, values = 2, bytes = 2 * MIB) {
  const taken = memory.take(bytes).fill(fill);
  const length = Math.floor(bytes / values);
  const lent = Array.from(
    { length: values },
    (_, index) => new Uint8Array(taken.buffer, taken.byteOffset + index * length, length),
  );
  memory.lend(lent);
  return { taken, lent };
}

describe('memory of messages', () => {
  it('is used again when all values of a message were given back, which are empty then', () => {
    const memory = new MessageMemory();
    const { taken, lent } = message(memory, 7);
    memory.giveBack(lent.slice(1));
    expect(lent.map(({ length }) => length)).toEqual([MIB, MIB]);
    memory.giveBack(lent.slice(0, 1));
    expect([taken, ...lent].map(({ length }) => length)).toEqual([0, 0, 0]);
    // What lay there shows that it is the same memory.
    expect(memory.take(2 * MIB).at(-1)).toBe(7);
    expect(memory.take(2 * MIB).at(-1)).toBe(0);
  });

  it('serves messages that differ by a few bytes, and none that is larger', () => {
    const memory = new MessageMemory();
    memory.giveBack(message(memory, 7, 1, 2 * MIB - 900).lent);
    expect(memory.take(2 * MIB + 1).at(0)).toBe(0);
    const again = memory.take(2 * MIB);
    expect([again.length, again.at(0)]).toEqual([2 * MIB, 7]);
  });

  it('gives no value that is in use to another message, whatever is given back', () => {
    const memory = new MessageMemory();
    const { lent } = message(memory, 7, 3, 3 * MIB);
    for (let times = 0; times < 5; times++) memory.giveBack(lent.slice(1));
    const foreign = new Uint8Array(new ArrayBuffer(2 * MIB));
    memory.giveBack([foreign, new Uint8Array(lent[0]?.buffer ?? foreign.buffer, 0, 10)]);
    message(memory, 9);
    expect(lent.map(({ length }) => length)).toEqual([MIB, MIB, MIB]);
    expect(new Set(lent[0])).toEqual(new Set([7]));
    expect(foreign.length).toBe(2 * MIB);
  });

  it('leaves small messages and what is empty alone', () => {
    const memory = new MessageMemory();
    const { lent } = message(memory, 7, 2, 2_000);
    const empty = new Uint8Array();
    memory.lend([empty]);
    memory.giveBack([...lent, empty]);
    expect(lent.map(({ length }) => length)).toEqual([1_000, 1_000]);
  });

  it('keeps a few ready, and lets go of the rest', () => {
    const memory = new MessageMemory();
    const messages = Array.from({ length: 9 }, () => message(memory, 7));
    for (const { lent } of messages) memory.giveBack(lent);
    const again = Array.from({ length: 9 }, () => memory.take(2 * MIB).at(0));
    expect(again).toEqual([7, 7, 7, 7, 0, 0, 0, 0, 0]);
  });
});

describe('memory that is freed', () => {
  it('is gone at once, with all views of it', () => {
    const value = new Uint8Array(MIB).fill(7);
    const view = value.subarray(9, 20);
    freeMemory(view);
    expect([value.length, view.length, value.buffer.byteLength]).toEqual([0, 0, 0]);
  });

  it('is left where a value may have only a part of it', () => {
    const shared = new Uint8Array(8_192).fill(7);
    freeMemory(shared.subarray(0, 5));
    expect([shared.length, shared.at(-1)]).toEqual([8_192, 7]);
  });
});
