import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, TRUTHFUL } from './answers.ts';
import {
  API_NAMES,
  APIS,
  type ApiName,
  ERRORS,
  type RequestOf,
  type ResponseOf,
} from './messages.ts';
import { type Codec, decode, encode, int16, int32 } from './wire.ts';

/**
 * A Kafka that does what it is told: on the wire it is a broker of one or more nodes that works and
 * tells the truth, and a script may answer any request in its place. Only for clients that speak
 * the versions of `messages.ts`.
 */
export interface ScriptedBroker {
  /** Bootstrap servers. */
  readonly brokers: string;
  readonly cluster: Cluster;
  /** Every request so far, by its name, in the order of arrival. */
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

export interface Seen {
  /** Its key, if the double does not answer it. */
  readonly api: ApiName | number;
  readonly nodeId: number;
  readonly clientId: string | null;
  /** Counted from 1, in the order of their opening. */
  readonly connection: number;
}

/**
 * In place of an answer: `cut` the connection; keep `silent`; or send these bytes behind the
 * frame's length and correlation id, whatever they mean. `frame` sends bytes as they are, with a
 * length and correlation id of their own.
 */
export type Instead =
  | 'cut'
  | 'silent'
  | { readonly body: Uint8Array }
  | { readonly frame: Uint8Array };

export interface Exchange<Name extends ApiName> {
  readonly request: RequestOf<Name>;
  readonly nodeId: number;
  readonly cluster: Cluster;
  readonly correlationId: number;
  /** 1 for the first request of this kind that this script sees. */
  readonly count: number;
  /** Does what was asked for, and returns the true answer. */
  truth(): Promise<ResponseOf<Name>>;
}

/** Undefined: the truth. */
type Line<Name extends ApiName> = (
  exchange: Exchange<Name>,
) => Promise<ResponseOf<Name> | Instead | undefined> | ResponseOf<Name> | Instead | undefined;

export type Script = { readonly [Name in ApiName]?: Line<Name> };

export interface ScriptedBrokerOptions {
  readonly script?: Script;
  /** Default 1. */
  readonly nodes?: number;
  /** The epoch of the first writer of a transactional id. */
  readonly firstEpoch?: number;
  /** Whether answers come in drops now: a byte, a moment, a byte, and so on. */
  readonly drips?: () => boolean;
}

export async function startScriptedBroker({
  script = {},
  nodes = 1,
  firstEpoch,
  drips = () => false,
}: ScriptedBrokerOptions = {}): Promise<ScriptedBroker> {
  const cluster = new Cluster(firstEpoch);
  const seen: Seen[] = [];
  const stage: Stage = { cluster, script, seen, drips, counts: new Map() };
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  let connections = 0;
  for (let nodeId = 1; nodeId <= nodes; nodeId++) {
    const server = createServer((socket) => {
      sockets.add(socket);
      // Clients may vanish in the middle: that is what this is for.
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
      connections += 1;
      serve(stage, { nodeId, connection: connections, socket });
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    cluster.nodes.push({ nodeId, host: '127.0.0.1', port: portOf(server) });
  }
  return {
    brokers: cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(','),
    cluster,
    seen,
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      await Promise.all(servers.map((server) => once(server, 'close')));
    },
  };
}

interface Stage {
  readonly cluster: Cluster;
  readonly script: Script;
  readonly seen: Seen[];
  readonly drips: () => boolean;
  readonly counts: Map<ApiName, number>;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface Link {
  readonly nodeId: number;
  readonly connection: number;
  readonly socket: Socket;
}

/** One connection is answered in order, as a broker does it. */
function serve(stage: Stage, link: Link): void {
  const { socket } = link;
  let buffered: Buffer = Buffer.alloc(0);
  let turn: Promise<void> = Promise.resolve();
  socket.on('data', (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE()) {
      const end = 4 + buffered.readInt32BE();
      const frame = buffered.subarray(4, end);
      buffered = buffered.subarray(end);
      turn = turn.then(() => answer(stage, link, frame));
      turn = turn.catch(() => void socket.destroy());
    }
  });
}

async function answer(stage: Stage, link: Link, frame: Buffer): Promise<void> {
  const { nodeId, connection, socket } = link;
  // Request header 1: api key, version, correlation id, client id.
  const api = API_NAMES.find((name) => APIS[name].key === frame.readInt16BE(0));
  const version = frame.readInt16BE(2);
  const correlationId = frame.readInt32BE(4);
  // A client asks for versions in a version of its own, and is told in the first one.
  if (api === 'ApiVersions' && version > APIS.ApiVersions.version) {
    socket.write(envelope(correlationId, unsupportedVersion()));
    return;
  }
  const isOlder = api === 'ApiVersions';
  if (api === undefined || (!isOlder && APIS[api].version !== version)) {
    stage.seen.push({ api: frame.readInt16BE(0), nodeId, connection, clientId: null });
    socket.destroy();
    return;
  }
  const clientIdLength = frame.readInt16BE(8);
  const bodyAt = 10 + Math.max(0, clientIdLength);
  const clientId = clientIdLength < 0 ? null : frame.toString('utf8', 10, bodyAt);
  stage.seen.push({ api, nodeId, connection, clientId });
  const said = await say(stage, nodeId, api, correlationId, frame.subarray(bodyAt));
  if (said === 'cut') socket.destroy();
  else if (said !== 'silent') await send(socket, said, stage.drips());
}

/** So many bytes of a frame come one by one when it drips, and then so many at once. */
const SINGLE_BYTES = 24;
const DROP_BYTES = 700;

async function send(socket: Socket, frame: Buffer, drips: boolean): Promise<void> {
  if (!drips) return void socket.write(frame);
  socket.setNoDelay(true);
  for (let at = 0; at < frame.length; ) {
    const size = at < SINGLE_BYTES ? 1 : DROP_BYTES;
    socket.write(frame.subarray(at, at + size));
    at += size;
    await delay(1);
  }
}

async function say<Name extends ApiName>(
  { cluster, script, counts }: Stage,
  nodeId: number,
  api: Name,
  correlationId: number,
  body: Buffer,
): Promise<Buffer | 'cut' | 'silent'> {
  const types = APIS[api] as unknown as {
    request: Codec<RequestOf<Name>>;
    response: Codec<ResponseOf<Name>>;
  };
  const count = (counts.get(api) ?? 0) + 1;
  counts.set(api, count);
  const request = decode(types.request, body);
  const truth = async () => TRUTHFUL[api](cluster, nodeId, request);
  const line: Line<Name> | undefined = script[api];
  const said =
    (await line?.({ request, nodeId, cluster, correlationId, count, truth })) ?? (await truth());
  if (said === 'cut' || said === 'silent') return said;
  if (typeof said === 'object' && 'frame' in said) return Buffer.from(said.frame);
  const bytes =
    typeof said === 'object' && 'body' in said ? said.body : encode(types.response, said);
  return envelope(correlationId, bytes);
}

function envelope(correlationId: number, body: Uint8Array): Buffer {
  return Buffer.concat([encode(int32, 4 + body.length), encode(int32, correlationId), body]);
}

/** Version 0: an error code and no versions. */
function unsupportedVersion(): Buffer {
  return Buffer.concat([encode(int16, ERRORS.UNSUPPORTED_VERSION), encode(int32, 0)]);
}
