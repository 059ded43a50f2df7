import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { StrongroomError } from '@strongroom/protocol/errors';
import { writeError } from '@strongroom/runtime/files';

const LOCK_FILE = 'lock';
const PRIVATE_FILE = 0o600;
const ATTEMPTS_MAX = 20;

export interface StateLock {
  release(): Promise<void>;
}

/**
 * Keeps a second producer out of a state folder: two would give one sequence number to two batches.
 * The file names a process; when that one no longer runs, the lock is taken over.
 * @throws ERR_STATE_LOCKED, ERR_FILE_UNWRITABLE, ERR_DISK_FULL
 */
export async function lockState(folder: string): Promise<StateLock> {
  const path = join(folder, LOCK_FILE);
  const own = join(folder, `.${LOCK_FILE}.${randomUUID()}`);
  const text = `${process.pid} ${await startOf(process.pid)}\n`;
  try {
    await writeFile(own, text, { mode: PRIVATE_FILE });
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      // link(2) fails when the name exists, and what it makes is whole at once.
      if (await linked(own, path)) return { release: () => release(path, text) };
      const holder = await readFile(path, 'utf8').catch(() => '');
      if (holder !== '' && (await isRunning(holder))) throw locked(folder, holder);
      await takeAway(path, holder);
    }
    throw locked(folder, '');
  } catch (error) {
    throw error instanceof StrongroomError ? error : writeError(error, folder);
  } finally {
    await rm(own, { force: true });
  }
}

function locked(folder: string, holder: string): StrongroomError {
  const pid = Number.parseInt(holder, 10);
  const facts = Number.isInteger(pid) ? { folder, pid } : { folder };
  return new StrongroomError('ERR_STATE_LOCKED', facts);
}

async function release(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => '')) === text) await rm(path, { force: true });
}

/** Removes a dead process's lock, but not one that another producer has made in the meantime. */
async function takeAway(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8')) !== dead) await linked(aside, path);
  await rm(aside, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function isRunning(holder: string): Promise<boolean> {
  const [pid = '', start = ''] = holder.trim().split(' ');
  if (!/^[1-9][0-9]*$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // EPERM: it runs, as somebody else.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  // A process number is used again; together with when the process began it is not.
  return (await startOf(Number(pid))) === start;
}

/** When a process began, in ticks since the machine did (proc(5), stat field 22); '-' unknown. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name, is in parentheses and may hold spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-';
  } catch {
    return '-';
  }
}
