import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { type ErrorFacts, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Logger } from '@strongroom/runtime/logger';
import { encodeFrame, type Frame, FrameReader } from './frames.ts';
import type { DoorRecord, DoorVerb, DoorVerbs } from './vault/door.ts';
import {
  HEAP_MB_MAX,
  hasEnded,
  type LaunchedVault,
  type LaunchOptions,
  launchVault,
} from './vault-launch.ts';
import { forbidOpening, tellWalls } from './vault-walls.ts';

/**
 * The vault as the worker sees it: a child process behind one pipe. It can be killed at any time;
 * what was lost with it is read again from the sealed checkpoint.
 */
export interface VaultDoor {
  /** Requests are answered in their order; several may be on their way. */
  request<Verb extends DoorVerb>(
    verb: Verb,
    request: DoorVerbs[Verb]['request'],
    values?: readonly Uint8Array[],
  ): Promise<VaultAnswer<Verb>>;
  /** Largest resident memory that the vault has reported, in bytes. */
  readonly peakBytes: number;
  readonly pid: number;
  close(): Promise<void>;
}

interface VaultAnswer<Verb extends DoorVerb> {
  readonly answer: DoorVerbs[Verb]['answer'];
  readonly records: readonly DoorRecord[];
}

export interface VaultOptions extends LaunchOptions {
  readonly logger: Logger;
  /** What the process may take of memory before it is ended, in MiB; absent: what there is. */
  readonly residentMbMax?: number;
  /** How long one request may take before the vault counts as lost, in milliseconds. */
  readonly deadlineMs: number;
  /** A process that was started before, and is nobody else's. */
  readonly launched?: Promise<LaunchedVault>;
}

/** @throws ERR_VAULT_LOST when it cannot be started */
export async function startVault(options: VaultOptions): Promise<VaultDoor> {
  const { child, pipe, wrapping } = await (options.launched ?? launchVault(options));
  tellWalls(wrapping, options.logger);
  return new PipedVault(child, pipe, options);
}

/** Code, buffers of requests and opened rows. */
const BESIDE_MB = 512;

/** What a whole vault may take whose engine has so much, in MiB. */
export function vaultMbMax(engineMb: number): number {
  return engineMb + HEAP_MB_MAX + BESIDE_MB;
}

interface Waiting {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: unknown) => void;
  timer?: NodeJS.Timeout;
}

class PipedVault implements VaultDoor {
  readonly #child: ChildProcess;
  readonly #pipe: Duplex;
  readonly #options: VaultOptions;
  readonly #reader = new FrameReader();
  readonly #waiting: Waiting[] = [];
  #isLost = false;
  #isClosedUp: Promise<void> | undefined;
  #memoryTimer: NodeJS.Timeout | undefined;
  peakBytes = 0;

  constructor(child: ChildProcess, pipe: Duplex, options: VaultOptions) {
    this.#child = child;
    this.#pipe = pipe;
    this.#options = options;
    const { residentMbMax } = options;
    if (residentMbMax !== undefined) this.#watchMemory(residentMbMax * 1_048_576);
    pipe.on('data', (piece: Uint8Array) => this.#read(piece));
    pipe.on('error', () => this.#lose());
    pipe.on('close', () => this.#lose());
    child.on('error', () => this.#lose());
    child.on('exit', () => this.#lose());
    // One that waited for this may have ended meanwhile.
    if (pipe.destroyed || hasEnded(child)) this.#lose();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async request<Verb extends DoorVerb>(
    verb: Verb,
    request: DoorVerbs[Verb]['request'],
    values: readonly Uint8Array[] = [],
  ): Promise<VaultAnswer<Verb>> {
    if (this.#isLost) throw new StrongroomError('ERR_VAULT_LOST', { verb, served: false });
    const answered = new Promise<Frame>((resolveFrame, reject) => {
      this.#waiting.push({ resolve: resolveFrame, reject });
    });
    if (this.#waiting.length === 1) this.#arm();
    for (const part of encodeFrame({ verb, request }, values)) this.#pipe.write(part);
    const answer = parseAnswer<Verb>(await answered);
    // The first thing that a vault can do is to open its engine: all is loaded that it is made of.
    this.#isClosedUp ??= forbidOpening(this.#options, this.pid);
    await this.#isClosedUp;
    return answer;
  }

  async close(): Promise<void> {
    const exited = new Promise<void>((done) => this.#child.once('exit', () => done()));
    const hasExited = hasEnded(this.#child);
    this.#pipe.end();
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    if (!hasExited) await exited;
    clearTimeout(patience);
  }

  #read(piece: Uint8Array): void {
    try {
      for (const frame of this.#reader.push(piece)) this.#settle(frame);
    } catch {
      this.#lose();
    }
  }

  #settle(frame: Frame): void {
    const first = this.#waiting.shift();
    clearTimeout(first?.timer);
    this.peakBytes = Math.max(this.peakBytes, peakOf(frame.message));
    first?.resolve(frame);
    this.#arm();
  }

  /** The deadline runs for the request that is being served, not for those that wait. */
  #arm(): void {
    const first = this.#waiting[0];
    if (first && !first.timer)
      first.timer = setTimeout(() => this.#lose(), this.#options.deadlineMs);
  }

  /** The engine's own limit is none: it has been seen to take eight times as much. */
  #watchMemory(bytesMax: number): void {
    this.#memoryTimer = setInterval(async () => {
      if ((await residentBytes(this.pid)) > bytesMax) this.#lose();
    }, MEMORY_LOOK_MS);
    this.#memoryTimer.unref();
  }

  #lose(): void {
    this.#isLost = true;
    clearInterval(this.#memoryTimer);
    this.#child.kill('SIGKILL');
    this.#pipe.destroy();
    for (const [index, { reject, timer }] of this.#waiting.splice(0).entries()) {
      clearTimeout(timer);
      reject(new StrongroomError('ERR_VAULT_LOST', { served: index === 0 }));
    }
  }
}

const MEMORY_LOOK_MS = 200;

/** 0 where the system does not tell. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}

const CLOSE_MS = 2_000;

function peakOf(message: unknown): number {
  const isObject = typeof message === 'object' && message !== null;
  return isObject && 'peakBytes' in message ? Number(message.peakBytes) : 0;
}

/** The vault is our own code in our own measurement: its answers are taken for what they are. */
function parseAnswer<Verb extends DoorVerb>({ message, blobs }: Frame): VaultAnswer<Verb> {
  const { answer, records = [], error } = message as WireAnswer<Verb>;
  if (error) {
    const code = isErrorCode(error.code) ? error.code : 'ERR_VAULT_LOST';
    throw new StrongroomError(code, error.facts);
  }
  return {
    answer,
    records: records.map((record, index) => ({
      ...record,
      value: blobs[index] ?? new Uint8Array(0),
    })),
  };
}

interface WireAnswer<Verb extends DoorVerb> {
  readonly answer: DoorVerbs[Verb]['answer'];
  readonly records?: readonly Omit<DoorRecord, 'value'>[];
  readonly error?: { readonly code: string; readonly facts: ErrorFacts };
}
