import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Link, openLink } from './link.ts';

/** The weather between a client and a server that says everything back. */

let server: Server;
let link: Link;
let heard = '';
beforeEach(async () => {
  heard = '';
  server = createServer((socket) => {
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write(bytes);
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  link = await openLink(typeof address === 'object' && address !== null ? address.port : 0);
});
afterEach(async () => {
  await link.close();
  server.close();
});

interface Talk {
  readonly socket: Socket;
  answer: string;
  isClosed: boolean;
}

async function talk(): Promise<Talk> {
  const socket = connect({ host: '127.0.0.1', port: link.port });
  const state = { socket, answer: '', isClosed: false };
  socket.on('data', (bytes) => {
    state.answer += bytes.toString();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    state.isClosed = true;
  });
  await once(socket, 'connect');
  return state;
}

const SOON_MS = 100;

test('clear weather carries both ways', async () => {
  const client = await talk();
  client.socket.write('hello');
  await expect.poll(() => client.answer).toBe('hello');
});

test('late weather carries in order, later', async () => {
  const client = await talk();
  link.set({ kind: 'late', ms: SOON_MS });
  const since = performance.now();
  for (const word of ['a', 'b', 'c']) client.socket.write(word);
  await expect.poll(() => client.answer).toBe('abc');
  expect(performance.now() - since).toBeGreaterThan(2 * SOON_MS - 10);
});

test('silence carries nothing, and cuts what lost bytes when it ends', async () => {
  const client = await talk();
  link.set({ kind: 'silent' });
  client.socket.write('lost');
  await delay(SOON_MS);
  expect([heard, client.answer, client.isClosed]).toEqual(['', '', false]);
  link.set({ kind: 'clear' });
  await expect.poll(() => client.isClosed).toBe(true);
  const next = await talk();
  next.socket.write('again');
  await expect.poll(() => next.answer).toBe('again');
});

test('a deaf client asks, is heard, and hears nothing', async () => {
  const client = await talk();
  link.set({ kind: 'deaf', toward: 'client' });
  client.socket.write('asked');
  await expect.poll(() => heard).toBe('asked');
  expect(client.answer).toBe('');
});

test('a cut resets what is open and what comes', async () => {
  const client = await talk();
  link.set({ kind: 'cut' });
  await expect.poll(() => client.isClosed).toBe(true);
  const next = connect({ host: '127.0.0.1', port: link.port });
  next.on('error', () => undefined);
  await new Promise((resolve) => next.once('close', resolve));
  expect(heard).toBe('');
});

/** A request or answer of Kafka's: length, api key and version (or correlation id), and so on. */
function frameOf(apiKey: number, correlation: number): Buffer {
  const frame = Buffer.alloc(12);
  frame.writeInt32BE(8, 0);
  frame.writeInt16BE(apiKey, 4);
  frame.writeInt32BE(correlation, 8);
  return frame;
}

test.each(['before', 'after'] as const)('a snip loses one request of a kind, %s', async (when) => {
  const answered: number[] = [];
  const node = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (request) => {
      answered.push(request.readInt16BE(4));
      const answer = Buffer.alloc(8);
      answer.writeInt32BE(4, 0);
      request.copy(answer, 4, 8, 12);
      socket.write(answer);
    });
  });
  node.listen(0, '127.0.0.1');
  await once(node, 'listening');
  const address = node.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const before = link;
  link = await openLink(port, { kafka: true });
  try {
    link.set({ kind: 'snip', apiKey: 26, when });
    const client = await talk();
    client.socket.write(frameOf(3, 1));
    await expect.poll(() => client.answer.length).toBe(8);
    client.socket.write(frameOf(26, 2));
    await expect.poll(() => client.isClosed).toBe(true);
    expect(client.answer).toHaveLength(8);
    expect(answered).toEqual(when === 'before' ? [3] : [3, 26]);
    const next = await talk();
    next.socket.write(frameOf(26, 3));
    await expect.poll(() => next.answer.length).toBe(8);
  } finally {
    await link.close();
    node.close();
    link = before;
  }
});
