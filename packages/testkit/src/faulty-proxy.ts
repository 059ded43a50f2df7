import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/**
 * A proxy before one Kafka node that loses what it is told to lose. It puts its own port into the
 * node's answers, so that clients come back to it and not to the node.
 */
export interface FaultyProxy {
  /** What clients connect to. */
  readonly brokers: string;
  /**
   * Cuts the connection at the next request of this kind (Kafka's api key): `before` the node sees
   * it, or `after` the node has answered and before the client hears of it.
   */
  cutNext(apiKey: number, when: 'before' | 'after'): void;
  /** How many cuts have happened. */
  cuts(): number;
  close(): Promise<void>;
}

export const PRODUCE = 0;
export const FETCH = 1;
export const END_TXN = 26;

export async function startFaultyProxy(brokers: string): Promise<FaultyProxy> {
  const [host = '', port = ''] = brokers.split(':');
  const sockets = new Set<Socket>();
  const plan = createPlan();
  const server = createServer((client) => {
    const node = connect({ host, port: Number(port) });
    for (const socket of [client, node]) {
      sockets.add(socket);
      // Either side may vanish in the middle: that is what this is for.
      socket.on('error', () => undefined);
      socket.once('close', () => {
        client.destroy();
        node.destroy();
        sockets.delete(socket);
      });
    }
    forward(
      client,
      node,
      plan,
      addressBytes(host, Number(port)),
      addressBytes(host, portOf(server)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    brokers: `127.0.0.1:${portOf(server)}`,
    cutNext: plan.add,
    cuts: plan.cuts,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A host and port as answers of Kafka hold them: length, text, 32-bit number. */
function addressBytes(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(2 + host.length + 4);
  bytes.writeInt16BE(host.length, 0);
  bytes.write(host, 2, 'latin1');
  bytes.writeInt32BE(port, 2 + host.length);
  return bytes;
}

type Plan = ReturnType<typeof createPlan>;

function createPlan() {
  const planned = new Map<number, 'before' | 'after'>();
  let cuts = 0;
  return {
    add: (apiKey: number, when: 'before' | 'after') => void planned.set(apiKey, when),
    take(apiKey: number): 'before' | 'after' | undefined {
      const when = planned.get(apiKey);
      if (planned.delete(apiKey)) cuts += 1;
      return when;
    },
    cuts: () => cuts,
  };
}

function forward(client: Socket, node: Socket, plan: Plan, from: Buffer, to: Buffer): void {
  /** Correlation id whose answer the client shall not hear. */
  let lostAnswer: number | undefined;
  client.on(
    'data',
    splitFrames((frame) => {
      // Request: length, api key (16 bits), version (16 bits), correlation id (32 bits).
      const when = plan.take(frame.readInt16BE(4));
      if (when === 'before') return client.destroy();
      if (when === 'after') lostAnswer = frame.readInt32BE(8);
      return node.write(frame);
    }),
  );
  node.on(
    'data',
    splitFrames((frame) => {
      if (frame.readInt32BE(4) === lostAnswer) return client.destroy();
      return client.write(replaceAll(frame, from, to));
    }),
  );
}

/** Kafka's frames: a 32-bit length and as many bytes. */
export function splitFrames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let buffered = Buffer.alloc(0);
  return (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
      const length = 4 + buffered.readInt32BE(0);
      onFrame(buffered.subarray(0, length));
      buffered = buffered.subarray(length);
    }
  };
}

function replaceAll(frame: Buffer, from: Buffer, to: Buffer): Buffer {
  const copy = Buffer.from(frame);
  for (let at = copy.indexOf(from); at !== -1; at = copy.indexOf(from, at + to.length)) {
    to.copy(copy, at);
  }
  return copy;
}
