import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePrivateFolder, readTextFile, writeError, writeFileAtomic } from './files.ts';

const folder = () => mkdtemp(join(tmpdir(), 'strongroom-files-'));

describe('files', () => {
  it('replaces a file whole, with the given mode, and leaves no temporary file', async () => {
    const at = await folder();
    const path = join(at, 'identity.json');
    await writeFile(path, 'old', { mode: 0o644 });
    await writeFileAtomic(path, 'new', 0o600);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(at)).toEqual(['identity.json']);
  });

  it('has codes for what cannot be read or written', async () => {
    const at = await folder();
    await expect(readTextFile(join(at, 'absent'))).rejects.toMatchObject({
      code: 'ERR_FILE_UNREADABLE',
      facts: { reason: 'ENOENT' },
    });
    await expect(writeFileAtomic(join(at, 'absent', 'file'), 'x')).rejects.toMatchObject({
      code: 'ERR_FILE_UNWRITABLE',
    });
    await writeFile(join(at, 'file'), '');
    await expect(makePrivateFolder(join(at, 'file', 'sub'))).rejects.toMatchObject({
      code: 'ERR_FILE_UNWRITABLE',
    });
  });

  it('leaves no temporary file when the rename fails', async () => {
    const at = await folder();
    await makePrivateFolder(join(at, 'taken', 'by-a-folder'));
    await expect(writeFileAtomic(join(at, 'taken'), 'x')).rejects.toMatchObject({
      code: 'ERR_FILE_UNWRITABLE',
    });
    expect(await readdir(at)).toEqual(['taken']);
  });

  it('tells a full disk from a missing right', () => {
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    expect(writeError(full, 'outbox')).toMatchObject({ code: 'ERR_DISK_FULL', exitCode: 69 });
    const denied = Object.assign(new Error('denied'), { code: 'EACCES' });
    expect(writeError(denied, 'outbox')).toMatchObject({
      code: 'ERR_FILE_UNWRITABLE',
      exitCode: 77,
    });
  });

  it('makes folders private, also those that were open', async () => {
    const at = join(await folder(), 'state');
    await makePrivateFolder(at);
    expect((await stat(at)).mode & 0o777).toBe(0o700);
  });
});
