import { mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '@strongroom/protocol/errors';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { writePlan } from './init/write-plan.ts';
import { makeNewFile } from './new-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-new-file-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** The next write of this process meets a full disk, after the file was made. */
async function fillDisk(): Promise<void> {
  const file = await open(folder);
  const full = Object.assign(new Error(), { code: 'ENOSPC' });
  vi.spyOn(Object.getPrototypeOf(file), 'writeFile').mockRejectedValueOnce(full);
  await file.close();
}

test('keys that a full disk did not take leave nothing, and can be made later', async () => {
  const path = join(folder, 'identity.json');
  await fillDisk();
  expect(codeOf(await makeNewFile(path, 'keys').catch((error) => error))).toBe('ERR_DISK_FULL');
  expect(await readdir(folder)).toEqual([]);
  await makeNewFile(path, 'keys');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const again = await makeNewFile(path, 'others').catch((error) => error);
  expect([codeOf(again), again.facts?.reason]).toEqual(['ERR_FILE_UNWRITABLE', 'EEXIST']);
  expect(await readFile(path, 'utf8')).toBe('keys');
  expect(await readdir(folder)).toEqual(['identity.json']);
});

test('an organisation is set up whole or not at all, and one that is there stays', async () => {
  const path = join(folder, 'north');
  const plan = {
    folders: [
      { path: '.', mode: 0o700 },
      { path: 'secrets', mode: 0o700 },
    ],
    files: ['a', 'secrets/b'].map((name) => ({ path: name, mode: 0o600, text: name, holds: '' })),
  };
  await fillDisk();
  expect(codeOf(await writePlan(path, plan).catch((error) => error))).toBe('ERR_DISK_FULL');
  expect(await readdir(folder)).toEqual([]);
  await writePlan(path, plan);
  expect(await readFile(join(path, 'secrets', 'b'), 'utf8')).toBe('secrets/b');
  expect(codeOf(await writePlan(path, plan).catch((error) => error))).toBe('ERR_FILE_UNWRITABLE');
  expect((await readdir(path)).toSorted()).toEqual(['a', 'secrets']);
});
