import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { TLSSocket } from 'node:tls';
import { loadSimulatedPlatform } from '@strongroom/attestation/insecure';
import { codeOf } from '@strongroom/protocol/errors';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog, TopicRecords, TransactionalWriter } from '@strongroom/record-log/log';
import { runService } from '@strongroom/runtime/shutdown';
import { splitFrames } from '@strongroom/testkit/faulty-proxy';
import { readImage } from '../../services/enclave-worker/src/image.ts';
import { readSettings } from '../../services/enclave-worker/src/settings.ts';
import { startWorker, type WorkerPorts } from '../../services/enclave-worker/src/start.ts';
import { startVault, type VaultDoor } from '../../services/enclave-worker/src/vault-process.ts';
import { around, createReach, type DyingPlan, tellIn } from './failpoints.ts';
import { fingerprint } from './fingerprint.ts';
import { requestName } from './kafka-requests.ts';

/**
 * The enclave worker on the simulated platform as it is, with its own measurement, but that it and
 * its first vault die where they are told to, and that it writes down what the log acknowledged.
 */
const [planText = '{}', ...args] = process.argv.slice(2);
const plan: DyingPlan = JSON.parse(planText);
/** Vaults of this worker that died at their place; others may have ended in another way. */
let died = 0;
const reachOf = createReach(plan.worker, tellIn(plan.reached));
const tell = createReach(undefined, tellIn(plan.reached));
/** Where vaults are to die as well, they die first. */
const reach = (place: string) => (died < (plan.vaults?.length ?? 0) ? tell : reachOf)(place);
aroundHttp();
aroundSockets();

await runService('enclave-worker (dying)', async (context) => {
  const settings = readSettings(args, process.env, true);
  const { platformDir } = settings ?? {};
  if (!settings || platformDir === undefined) return context.finish();
  const platform = await loadSimulatedPlatform(platformDir);
  const image = await readImage();
  const choice = {
    platformFor: async (contractId: string) =>
      platform.launch({ image, hostData: Buffer.from(contractId, 'hex') }),
  };
  await startWorker(settings, choice, context, dyingPorts());
});

function dyingPorts(): WorkerPorts {
  return {
    startVault: async (options) => {
      const { reached } = plan;
      countDeaths();
      const vaults = (plan.vaults ?? []).slice(died, died + 1);
      const told = { ...(reached ? { reached } : {}), vaults };
      // One that is to die tells where, in a file, which no wall would let it write.
      const dying = { entry: dyingVault(told), walls: 'none' } as const;
      const start = () => startVault({ ...options, ...(vaults.length > 0 ? dying : {}) });
      return aroundDoor(await around(reach, 'vault process', start));
    },
    connectLog: async (options) =>
      aroundLog(await around(reach, 'log connect', () => connectKafkaLog(options))),
  };
}

/** The vault may read its own folders only; this entry lies in another one, and writes. */
function dyingVault(told: DyingPlan): string[] {
  const writable = told.reached === undefined ? [] : [`--allow-fs-write=${told.reached}`];
  const folder = import.meta.dirname;
  return [
    `--allow-fs-read=${folder}`,
    ...writable,
    join(folder, 'vault.dying.ts'),
    JSON.stringify(told),
  ];
}

function aroundDoor(door: VaultDoor): VaultDoor {
  return {
    request: (verb, request, values) =>
      around(reach, `door ${verb}`, () => door.request(verb, request, values)).catch(noteLoss),
    get peakBytes() {
      return door.peakBytes;
    },
    pid: door.pid,
    close: () => door.close(),
  };
}

function noteLoss(error: unknown): never {
  if (codeOf(error) === 'ERR_VAULT_LOST') countDeaths();
  throw error;
}

function countDeaths(): void {
  if (plan.reached === undefined || !existsSync(plan.reached)) return;
  const lines = readFileSync(plan.reached, 'utf8').split('\n');
  died = lines.filter((line) => /^died (before|after) vault /.test(line)).length;
}

function aroundLog(log: RecordLog): RecordLog {
  return {
    hasTransactions: log.hasTransactions,
    createTopics: (topics) => around(reach, 'log createTopics', () => log.createTopics(topics)),
    append: (topic, records, partition) =>
      around(reach, 'log append', () => log.append(topic, records, partition)),
    async *read(from, options) {
      for await (const entries of log.read(from, options)) {
        reach('after log read');
        yield entries;
      }
    },
    startOffset: (topic, partition) => log.startOffset(topic, partition),
    endOffset: (topic, partition) =>
      around(reach, 'log endOffset', () => log.endOffset(topic, partition)),
    transaction: async (id) =>
      aroundWriter(await around(reach, 'log transaction', () => log.transaction(id))),
    close: () => log.close(),
  };
}

function aroundWriter(writer: TransactionalWriter): TransactionalWriter {
  return {
    async commit(topic, records, beside = []) {
      const commit = () => writer.commit(topic, records, beside);
      const committed = await around(reach, 'log commit', commit);
      for (const part of [{ topic, records }, ...beside]) noteCommit(part);
      return committed;
    },
    close: () => writer.close(),
  };
}

function noteCommit({ topic, records }: TopicRecords): void {
  if (plan.history === undefined) return;
  const values = records.map((record) => fingerprint(record));
  appendFileSync(plan.history, `${JSON.stringify({ pid: process.pid, topic, values })}\n`);
}

/** Leases, attestation and Azure's client: all of them go through node:http. */
function aroundHttp(): void {
  subscribe('http.client.request.start', (message) => reach(`before http ${pathName(message)}`));
  subscribe('http.client.response.finish', (message) => reach(`after http ${pathName(message)}`));
}

function pathName(message: unknown): string {
  const { request } = message as { request: { path: string } };
  const [, area = '', , rest = ''] = (request.path.split('?')[0] ?? '').split('/');
  if (area === 'keys') return 'key release';
  if (area !== 'leases') return area;
  return `lease ${rest === '' ? 'grant' : rest}`;
}

/** Every connection of the log's client: each request before it is sent, each answer as it comes. */
function aroundSockets(): void {
  const { connect } = Socket.prototype;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
    const connecting = Reflect.apply(connect, this, args);
    // Whatever speaks TLS is no broker of these tests. Connecting puts back a socket's own `write`.
    if (!(this instanceof TLSSocket)) watchSocket(this);
    return connecting;
  } as typeof connect;
}

function watchSocket(socket: Socket): void {
  const asked = new Map<number, string>();
  const { write } = socket;
  socket.write = ((bytes: Uint8Array, ...rest: unknown[]) => {
    const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Length, api key (16 bits), version (16 bits), correlation id (32 bits); one write a request.
    if (frame.length >= 12) {
      const name = requestName(frame.readInt16BE(4));
      asked.set(frame.readInt32BE(8), name);
      reach(`before kafka ${name}`);
    }
    return Reflect.apply(write, socket, [bytes, ...rest]);
  }) as typeof write;
  const onAnswer = splitFrames((frame) => {
    const name = asked.get(frame.readInt32BE(4));
    asked.delete(frame.readInt32BE(4));
    if (name !== undefined) reach(`after kafka ${name}`);
  });
  socket.on('data', onAnswer);
}
