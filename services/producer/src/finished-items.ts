import { hash } from 'node:crypto';
import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { CountSchema, Sha256HexSchema } from '@strongroom/protocol/fields';
import { readTextFile, writeError } from '@strongroom/runtime/files';
import { z } from 'zod';
import { exists, FINISHED_FILE } from './outbox.ts';
import { corruptState, type StreamState } from './stream-state.ts';

/** An item of a collection that is in the stream to its end. */
const FinishedItemSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  fingerprint: Sha256HexSchema,
  rows: CountSchema,
});
export type FinishedItem = z.infer<typeof FinishedItemSchema>;

/** `head` is the hash over the head before and the item: no line can be lost or exchanged. */
const LineSchema = z.strictObject({ item: FinishedItemSchema, head: Sha256HexSchema });

type Mark = NonNullable<StreamState['finished']>;
const NOTHING: Mark = { count: 0, head: '00'.repeat(32) };
const PRIVATE_FILE = 0o600;

/**
 * The list of them, a line an item, only ever made longer: the state, which is written with every
 * group, says where it ends. What the state says of the item that was finished last stands above
 * it: a line that a crash has cut off or left out is written again.
 */
export class FinishedItems {
  readonly #path: string;
  readonly #items = new Map<string, FinishedItem>();
  readonly #fingerprints = new Map<string, FinishedItem>();
  #mark = NOTHING;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param folder the state folder, locked
   * @param state of which every group was sent
   * @throws ERR_STATE_CORRUPT, ERR_FILE_UNREADABLE, ERR_DISK_FULL
   */
  static async open(folder: string, state: StreamState | undefined): Promise<FinishedItems> {
    const finished = new FinishedItems(join(folder, FINISHED_FILE));
    await finished.#read(state?.finished ?? NOTHING);
    const last = state?.source;
    if (last?.complete && last.item !== undefined && !finished.get(last.item.name)) {
      const { fingerprint, cursor: rows, item } = last;
      await finished.add({ ...item, fingerprint, rows });
    }
    return finished;
  }

  /** What the state of the next item says of the list. */
  get mark(): Mark {
    return this.#mark;
  }

  get(name: string): FinishedItem | undefined {
    return this.#items.get(name);
  }

  /** One with rows and the very same bytes, under whatever name. */
  twinOf(fingerprint: string): FinishedItem | undefined {
    return this.#fingerprints.get(fingerprint);
  }

  async add(item: FinishedItem): Promise<void> {
    const head = headAfter(this.#mark, item);
    const line = `${JSON.stringify({ item, head })}\n`;
    try {
      const file = await open(this.#path, 'a', PRIVATE_FILE);
      try {
        await file.writeFile(line);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw writeError(error, this.#path);
    }
    this.#remember(item, head);
  }

  async #read(mark: Mark): Promise<void> {
    const text = (await exists(this.#path)) ? await readTextFile(this.#path) : '';
    const end = text.lastIndexOf('\n') + 1;
    // A line that was cut off is the last one, and the state knows it.
    if (end < text.length) await truncate(this.#path, Buffer.byteLength(text.slice(0, end)));
    let reached = mark.count === 0;
    for (const line of text.slice(0, end).split('\n').slice(0, -1)) {
      const { item, head } = lineOf(line);
      if (headAfter(this.#mark, item) !== head) throw corruptState(FINISHED_FILE, 'changed');
      this.#remember(item, head);
      reached ||= this.#mark.count === mark.count && head === mark.head;
    }
    // The one line more was written, and the state that counts it not yet.
    const more = this.#mark.count - mark.count;
    if (!reached || more > 1) throw corruptState(FINISHED_FILE, 'not what the state says of it');
  }

  #remember(item: FinishedItem, head: string): void {
    this.#items.set(item.name, item);
    if (item.rows > 0) this.#fingerprints.set(item.fingerprint, item);
    this.#mark = { count: this.#mark.count + 1, head };
  }
}

function headAfter({ head }: Mark, item: FinishedItem): string {
  return hash('sha256', canonicalBytes({ before: head, item }));
}

function lineOf(line: string) {
  try {
    return LineSchema.parse(JSON.parse(line));
  } catch {
    throw corruptState(FINISHED_FILE, 'not what this producer writes');
  }
}
