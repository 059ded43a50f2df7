import { readFileSync } from 'node:fs';
import { type KillList, KillListSchema } from '@strongroom/protocol/enclave-demands';
import { StrongroomError } from '@strongroom/protocol/errors';

/** What this owner's operator refuses from now on, whatever any contract says. */
export interface OwnKillList {
  /**
   * As the file says at this moment: it is read at every call, in the turn of the event loop in
   * which the answer counts. There is no copy that could be older.
   * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID: by an unknown list nothing is released
   */
  now(): KillList;
}

export function createKillList(path: string): OwnKillList {
  return { now: () => parseKillList(readNow(path), path) };
}

/** What a release is held to where raw evidence is not shown: then no entry can be looked for. */
export function isEmpty(killList: KillList): boolean {
  return Object.keys(killList).length === 0;
}

function readNow(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  }
}

function parseKillList(text: string, path: string): KillList {
  const parsed = KillListSchema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new StrongroomError('ERR_CONFIG_INVALID', { path, place });
}

/** What is no JSON is no kill list either. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
