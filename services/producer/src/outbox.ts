import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  makePrivateFolder,
  readBinaryFile,
  readTextFile,
  syncFolder,
  writeFileAtomic,
} from '@strongroom/runtime/files';
import { decodeGroup, encodeGroup, type SealedGroup } from './group-file.ts';
import { lockState, type StateLock } from './state-lock.ts';
import { corruptState, decodeState, encodeState, type StreamState } from './stream-state.ts';

const STATE_FILE = 'state.json';
/** The newest version of the contract that this producer was shown (newest-version.ts). */
export const SUCCESSOR_FILE = 'successor.json';
/** Items of a collection that are in the stream to their ends (finished-items.ts). */
export const FINISHED_FILE = 'finished.ndjson';
const GROUP_FILE = /^group-(\d{12})\.sealed$/;
const PRIVATE_FILE = 0o600;

/** The moments between which a producer may be killed; a test kills it at each of them. */
export const PUBLISH_STEPS = [
  'stream-begun',
  'group-written',
  'records-sent',
  'state-written',
  'group-removed',
] as const;
export type PublishStep = (typeof PUBLISH_STEPS)[number];

export interface OutboxOptions {
  /** How files are written; a test puts a full disk here. */
  readonly write?: typeof writeFileAtomic;
  readonly onStep?: (step: PublishStep) => void;
}

/**
 * The state folder of one stream. A group of sealed records is on the disk, with the state that it
 * leads to, before its first byte is sent, and until all of it was sent: whatever happens between,
 * the very same bytes are sent again. Sealing the rows anew instead would make a second history
 * of the stream.
 */
export class Outbox {
  readonly #folder: string;
  readonly #write: typeof writeFileAtomic;
  readonly #onStep: (step: PublishStep) => void;
  readonly #lock: StateLock;
  readonly #pending: SealedGroup[];
  #state: StreamState | undefined;

  private constructor(folder: string, lock: StateLock, found: Found, options: OutboxOptions) {
    this.#folder = folder;
    this.#write = options.write ?? writeFileAtomic;
    this.#onStep = options.onStep ?? (() => undefined);
    this.#lock = lock;
    this.#state = found.state;
    this.#pending = found.pending;
  }

  /**
   * Opens the folder, or makes it, and keeps every other producer out until `close`.
   * @throws ERR_STATE_LOCKED, ERR_STATE_CORRUPT, ERR_FILE_UNWRITABLE, ERR_DISK_FULL
   */
  static async open(folder: string, options: OutboxOptions = {}): Promise<Outbox> {
    await prepareFolder(folder);
    const lock = await lockState(folder);
    try {
      return new Outbox(folder, lock, await findState(folder), options);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Groups that were not known to be sent when the folder was opened, in order. */
  get pending(): readonly SealedGroup[] {
    return this.#pending;
  }

  /** The newest state: that of the newest group, sent or not. Undefined in a new folder. */
  get state(): StreamState | undefined {
    return this.#pending.at(-1)?.state ?? this.#state;
  }

  /** Writes the state of a new stream, or one that no record leads to. */
  async begin(state: StreamState): Promise<void> {
    await this.#writeState(state);
    this.#onStep('stream-begun');
  }

  /** The group is safe when this resolves; nothing of it may have been sent before. */
  async put(group: SealedGroup): Promise<void> {
    await this.#write(this.#pathOf(group), encodeGroup(group), PRIVATE_FILE);
    this.#onStep('group-written');
  }

  /** All records of the group are in the log. */
  async sent(group: SealedGroup): Promise<void> {
    this.#onStep('records-sent');
    await this.#writeState(group.state);
    this.#onStep('state-written');
    await rm(this.#pathOf(group), { force: true });
    await syncFolder(this.#folder);
    this.#onStep('group-removed');
    if (this.#pending[0] === group) this.#pending.shift();
  }

  async close(): Promise<void> {
    await this.#lock.release();
  }

  async #writeState(state: StreamState): Promise<void> {
    await this.#write(join(this.#folder, STATE_FILE), encodeState(state), PRIVATE_FILE);
    this.#state = state;
  }

  #pathOf({ state }: SealedGroup): string {
    return join(this.#folder, `group-${`${state.group}`.padStart(12, '0')}.sealed`);
  }
}

interface Found {
  readonly state: StreamState | undefined;
  readonly pending: SealedGroup[];
}

async function findState(folder: string): Promise<Found> {
  const names = await readdir(folder);
  // What a crash left half written: it was never renamed, so nothing of it was sent.
  const halves = names.filter((name) =>
    /^\.(state\.json|successor\.json|group-\d+\.sealed)\./.test(name),
  );
  await Promise.all(halves.map((name) => rm(join(folder, name), { force: true })));
  const files = names.filter((name) => GROUP_FILE.test(name)).sort();
  const stateFile = join(folder, STATE_FILE);
  if (!(await exists(stateFile))) {
    return { state: undefined, pending: await findOpening(folder, files) };
  }
  const state = decodeState(await readTextFile(stateFile), STATE_FILE);
  const pending: SealedGroup[] = [];
  for (const file of files) {
    const number = Number(GROUP_FILE.exec(file)?.[1]);
    const path = join(folder, file);
    if (number <= state.group) {
      // It was sent, and the state says so; only its removal was cut off.
      await rm(path);
      continue;
    }
    const group = decodeGroup(await readBinaryFile(path), file);
    const before = pending.at(-1)?.state ?? state;
    if (!follows(before, group.state)) throw corruptState(file, 'does not follow');
    pending.push(group);
  }
  return { state, pending };
}

/** A recovered stream begins with a group, so that its opening cannot be forgotten. */
async function findOpening(folder: string, files: readonly string[]): Promise<SealedGroup[]> {
  const [file, ...others] = files;
  if (file === undefined) return [];
  const group = decodeGroup(await readBinaryFile(join(folder, file)), file);
  const isFirst = group.state.group === 1 && group.state.epoch > 0 && others.length === 0;
  if (!isFirst) throw corruptState(STATE_FILE, 'missing');
  return [group];
}

function follows(before: StreamState, after: StreamState): boolean {
  return (
    after.group === before.group + 1 &&
    after.contract === before.contract &&
    after.dataset === before.dataset &&
    after.stream === before.stream &&
    after.epoch === before.epoch &&
    after.point.sequence >= before.point.sequence &&
    after.point.rows >= before.point.rows
  );
}

const OUR_FILE = /^\.?(lock|state\.json|successor\.json|finished\.ndjson|group-\d+\.sealed)(\.|$)/;

/** @throws ERR_STATE_CORRUPT for a folder that holds other files, ERR_FILE_UNWRITABLE */
export async function prepareFolder(folder: string): Promise<void> {
  await refuseForeignFolder(folder);
  await makePrivateFolder(folder);
}

/** A folder that holds something else was named by mistake, and shall not become private. */
async function refuseForeignFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const ours = names.every((name) => OUR_FILE.test(name));
  if (!ours) throw corruptState(folder, 'holds other files');
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
