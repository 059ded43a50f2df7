import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ANSWER_BYTES_MAX, AnswerReader, FramedSocket } from './framed-socket.ts';

const answer = (
  length: number,
  body = Buffer.alloc(Math.max(0, Math.min(length, 100)), length),
) => {
  const head = Buffer.alloc(4);
  head.writeInt32BE(length);
  return Buffer.concat([head, body]);
};

/** In pieces of at most so many bytes: the answers, up to the first that is impossible. */
function read(bytes: Buffer, size: number): (Buffer | 'impossible')[] {
  const reader = new AnswerReader();
  const answers: (Buffer | 'impossible')[] = [];
  for (let at = 0; at < bytes.length; ) {
    const room = reader.room();
    const taken = bytes.copy(room, 0, at, Math.min(bytes.length, at + size));
    expect(taken).toBeGreaterThan(0);
    at += taken;
    const found = reader.filled(taken);
    if (found !== undefined) answers.push(found);
    if (found === 'impossible') break;
  }
  return answers;
}

const sound = [answer(4), answer(100), answer(17), answer(5)];

describe('AnswerReader', () => {
  it.each([1, 2, 3, 5, 7, 1_000])('puts answers together from pieces of %i bytes', (size) => {
    expect(read(Buffer.concat(sound), size)).toEqual(sound);
    for (const length of [-1, 0, 3, ANSWER_BYTES_MAX + 1, 2 ** 31 - 1, -(2 ** 31)]) {
      const found = read(Buffer.concat([...sound, answer(length)]), size);
      expect(found).toEqual([...sound, 'impossible']);
    }
  });

  it('takes the largest answer, and gives each one memory of its own', () => {
    expect(read(answer(ANSWER_BYTES_MAX), 50)).toEqual([]);
    const [first, second] = read(Buffer.concat([answer(5), answer(5)]), 9);
    expect(first).toEqual(second);
    if (first instanceof Buffer && second instanceof Buffer) first.fill(0);
    expect(second).toEqual(answer(5));
  });
});

describe('FramedSocket', () => {
  /** What a socket gives of these bytes, and the error that ends it, if one does. */
  async function receive(bytes: Buffer) {
    const server = createServer((connection) => {
      connection.on('error', () => undefined);
      connection.end(bytes);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const socket = new FramedSocket();
    const chunks: Buffer[] = [];
    let problem: string | undefined;
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', ({ message }) => {
      problem = message;
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.connect(port, '127.0.0.1');
    await closed;
    server.close();
    return { chunks, problem };
  }

  it('gives each answer whole, however large', async () => {
    const large = answer(3_000_000, Buffer.alloc(3_000_000, 7));
    const { chunks, problem } = await receive(Buffer.concat([...sound, large, ...sound]));
    expect(problem).toBeUndefined();
    expect(chunks.map(({ length }) => length)).toEqual(
      [...sound, large, ...sound].map(({ length }) => length),
    );
    expect(Buffer.concat(chunks).equals(Buffer.concat([...sound, large, ...sound]))).toBe(true);
  });

  it('ends at an answer of an impossible length', async () => {
    const { chunks, problem } = await receive(Buffer.concat([...sound, answer(-1), ...sound]));
    expect(chunks).toEqual(sound);
    expect(problem).toBe('answer of an impossible length');
  });
});
