import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { splitFrames } from '@strongroom/testkit/faulty-proxy';

/**
 * The network between two processes as a proxy whose weather changes: late, silent, silent in one
 * direction, cut. Bytes that were swallowed are gone, so connections that lost some are cut when
 * the weather clears, as a peer that comes back would cut them.
 */
export type Weather =
  | { readonly kind: 'clear' }
  /** Every piece comes so much later, in order. */
  | { readonly kind: 'late'; readonly ms: number }
  /** Connections are accepted and nothing is carried. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'deaf'; readonly toward: 'server' | 'client' }
  /** Every connection is reset, those that come too. */
  | { readonly kind: 'cut' }
  /** At the next of these requests its connection is reset: unheard, or answered and not told. */
  | { readonly kind: 'snip'; readonly apiKey: number; readonly when: 'before' | 'after' };

export interface Link {
  readonly port: number;
  set(weather: Weather): void;
  close(): Promise<void>;
}

/**
 * @param target a port of this machine
 * @param kafka put the proxy's own port into a node's answers, so that clients come back to it
 */
export async function openLink(
  target: number | (() => number),
  { kafka = false }: { readonly kafka?: boolean } = {},
): Promise<Link> {
  const pairs = new Set<Pair>();
  const targetPort = () => (typeof target === 'number' ? target : target());
  let weather: Weather = { kind: 'clear' };
  const sky: Sky = {
    get: () => weather,
    clear: () => {
      weather = { kind: 'clear' };
    },
  };
  const server = createServer((client) => {
    const rename = kafka ? renameIn(portOf(server), targetPort()) : undefined;
    const pair = new Pair(client, targetPort(), sky, rename);
    pairs.add(pair);
    client.once('close', () => pairs.delete(pair));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    set(next) {
      const before = weather;
      weather = next;
      if (next.kind === 'cut') for (const pair of pairs) pair.reset();
      if (before.kind !== 'clear') for (const pair of pairs) pair.clear();
    },
    async close() {
      server.close();
      for (const pair of pairs) pair.reset();
      await once(server, 'close');
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

type Rename = (frame: Buffer) => Buffer;

/** A host and port as Kafka's answers hold them: length, text, 32-bit number. */
function renameIn(own: number, target: number): Rename {
  const [from, to] = [target, own].map((port) => {
    const bytes = Buffer.from('\0\u0009127.0.0.1\0\0\0\0', 'latin1');
    bytes.writeInt32BE(port, bytes.length - 4);
    return bytes;
  }) as [Buffer, Buffer];
  return (frame) => {
    const copy = Buffer.from(frame);
    for (let at = copy.indexOf(from); at !== -1; at = copy.indexOf(from, at + to.length)) {
      to.copy(copy, at);
    }
    return copy;
  };
}

interface Sky {
  get(): Weather;
  clear(): void;
}

/** One connection and its other half. */
class Pair {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #sky: Sky;
  #hasLost = false;
  /** Correlation id of the answer that the client shall not hear. */
  #snipAt: number | undefined;

  constructor(client: Socket, target: number, sky: Sky, rename: Rename | undefined) {
    this.#client = client;
    this.#server = connect({ host: '127.0.0.1', port: target });
    this.#sky = sky;
    for (const socket of [client, this.#server]) {
      // Either side may vanish in the middle: that is what this is for.
      socket.on('error', () => undefined);
      socket.once('close', () => this.#end());
    }
    const forth = (bytes: Buffer) => this.#carry(this.#server, 'server', bytes);
    const back = (bytes: Buffer) => this.#carry(client, 'client', bytes);
    client.on('data', rename ? splitFrames((frame) => this.#ask(frame, forth)) : forth);
    const answer = (frame: Buffer) =>
      this.#answer(frame, (bytes) => back(rename?.(bytes) ?? bytes));
    this.#server.on('data', rename ? splitFrames(answer) : back);
    if (sky.get().kind === 'cut') this.reset();
  }

  /** A request of Kafka's: length, api key (16 bits), version (16 bits), correlation id (32 bits). */
  #ask(frame: Buffer, pass: (frame: Buffer) => void): void {
    const weather = this.#sky.get();
    const isThis = weather.kind === 'snip' && weather.apiKey === frame.readInt16BE(4);
    if (isThis) this.#sky.clear();
    if (isThis && weather.when === 'before') {
      this.reset();
      return;
    }
    if (isThis) this.#snipAt = frame.readInt32BE(8);
    pass(frame);
  }

  #answer(frame: Buffer, pass: (frame: Buffer) => void): void {
    if (frame.readInt32BE(4) === this.#snipAt) this.reset();
    else pass(frame);
  }

  #carry(to: Socket, toward: 'server' | 'client', bytes: Buffer): void {
    const weather = this.#sky.get();
    const isLost =
      weather.kind === 'silent' || (weather.kind === 'deaf' && weather.toward === toward);
    if (isLost || this.#hasLost) {
      this.#hasLost = true;
    } else if (weather.kind === 'late') {
      // Timers of one length fire in the order in which they were set.
      setTimeout(() => to.write(bytes), weather.ms);
    } else to.write(bytes);
  }

  /** One side is gone: the other hears of it unless nothing is carried. */
  #end(): void {
    const { kind } = this.#sky.get();
    if (kind === 'silent' || kind === 'deaf') {
      this.#hasLost = true;
      return;
    }
    this.#client.destroy();
    this.#server.destroy();
  }

  clear(): void {
    if (this.#hasLost) this.reset();
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.destroy();
  }
}
