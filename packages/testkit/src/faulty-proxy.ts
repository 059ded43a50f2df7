import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A proxy before the nodes of a Kafka, one for each, that holds, delays or loses what it is told
 * to. It puts its own ports into the nodes' answers, so that clients come back to it.
 */
export interface FaultyProxy {
  /** What clients connect to. */
  readonly brokers: string;
  /** Meets the next request of this kind (Kafka's api key), or the answer to it. */
  meetNext(apiKey: number, when: When, meet: Meeting): void;
  /**
   * Cuts the connection at the next request of this kind: `before` the node sees it, or `after` the
   * node has answered and before the client hears of it.
   */
  cutNext(apiKey: number, when: When): void;
  /** How many cuts have happened. */
  cuts(): number;
  close(): Promise<void>;
}

export type When = 'before' | 'after';

/** Whether what was met goes on; until then, what follows on the connection waits. */
export type Meeting = (met: {
  /** Counted from 0, in the order of the bootstrap servers. */
  readonly node: number;
  readonly frame: Buffer;
}) => Verdict | Promise<Verdict>;
export type Verdict = 'pass' | 'cut';

export const PRODUCE = 0;
export const FETCH = 1;
export const END_TXN = 26;

export async function startFaultyProxy(brokers: string): Promise<FaultyProxy> {
  const nodes = brokers.split(',').map(addressOf);
  const sockets = new Set<Socket>();
  const plan = createPlan();
  const replaced: Replacement[] = [];
  const servers = nodes.map(({ host, port }, node) =>
    createServer((client) => {
      const upstream = connect({ host, port });
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        // Either side may vanish in the middle: that is what this is for.
        socket.on('error', () => undefined);
        socket.once('close', () => {
          client.destroy();
          upstream.destroy();
          sockets.delete(socket);
        });
      }
      forward({ client, upstream, node, plan, replaced });
    }),
  );
  for (const [node, server] of servers.entries()) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { host = '', port = 0 } = nodes[node] ?? {};
    replaced.push(...replacements(host, port, portOf(server)));
  }
  return {
    brokers: servers.map((server) => `127.0.0.1:${portOf(server)}`).join(','),
    meetNext: plan.add,
    cutNext: (apiKey, when) => plan.add(apiKey, when, () => 'cut'),
    cuts: plan.cuts,
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      await Promise.all(servers.map((server) => once(server, 'close')));
    },
  };
}

function addressOf(text: string): { host: string; port: number } {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface Replacement {
  readonly from: Buffer;
  readonly to: Buffer;
}

/**
 * A host and port as answers of Kafka hold them: a length of 16 bits, or of 7 and one more in newer
 * versions; the text; a number of 32 bits.
 */
function replacements(host: string, port: number, ours: number): Replacement[] {
  const long = Buffer.alloc(2);
  long.writeInt16BE(host.length);
  const short = Buffer.from([host.length + 1]);
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  return [long, short].map((length) => {
    const address = Buffer.concat([length, Buffer.from(host, 'latin1')]);
    return {
      from: Buffer.concat([address, number(port)]),
      to: Buffer.concat([address, number(ours)]),
    };
  });
}

type Plan = ReturnType<typeof createPlan>;

function createPlan() {
  const planned = new Map<number, { readonly when: When; readonly meet: Meeting }>();
  let cuts = 0;
  return {
    add: (apiKey: number, when: When, meet: Meeting) => void planned.set(apiKey, { when, meet }),
    take(apiKey: number) {
      const found = planned.get(apiKey);
      planned.delete(apiKey);
      return found;
    },
    cut: (socket: Socket) => {
      cuts += 1;
      socket.destroy();
    },
    cuts: () => cuts,
  };
}

interface Link {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly node: number;
  readonly plan: Plan;
  readonly replaced: readonly Replacement[];
}

function forward({ client, upstream, node, plan, replaced }: Link): void {
  /** Correlation id whose answer is met, and how. */
  const awaited = new Map<number, Meeting>();
  const pass = async (meet: Meeting | undefined, frame: Buffer, to: Socket, changed = frame) => {
    if ((await meet?.({ node, frame })) === 'cut') plan.cut(client);
    else to.write(changed);
  };
  client.on(
    'data',
    inTurn(async (frame) => {
      // Request: length, api key (16 bits), version (16 bits), correlation id (32 bits).
      const planned = plan.take(frame.readInt16BE(4));
      if (planned?.when === 'after') awaited.set(frame.readInt32BE(8), planned.meet);
      await pass(planned?.when === 'before' ? planned.meet : undefined, frame, upstream);
    }),
  );
  upstream.on(
    'data',
    inTurn(async (frame) => {
      const correlationId = frame.readInt32BE(4);
      const meet = awaited.get(correlationId);
      awaited.delete(correlationId);
      await pass(meet, frame, client, replaceAll(frame, replaced));
    }),
  );
}

/** Frames one after the other, also where one of them waits. */
function inTurn(onFrame: (frame: Buffer) => Promise<void>): (chunk: Buffer) => void {
  let turn: Promise<void> = Promise.resolve();
  return splitFrames((frame) => {
    turn = turn.then(() => onFrame(frame));
  });
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

function replaceAll(frame: Buffer, replaced: readonly Replacement[]): Buffer {
  const copy = Buffer.from(frame);
  for (const { from, to } of replaced) {
    for (let at = copy.indexOf(from); at !== -1; at = copy.indexOf(from, at + to.length)) {
      to.copy(copy, at);
    }
  }
  return copy;
}
