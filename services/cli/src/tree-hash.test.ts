import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { treeHash } from './tree-hash.ts';

/** What `nix hash path` prints for an empty folder, known from its own documents and errors. */
const EMPTY = 'sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo=';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-tree-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (...names: string[]) => join(folder, ...names);
const tree = () => treeHash(folder).tree;

test('an empty folder has the hash that Nix gives it', () => {
  expect(treeHash(folder)).toEqual({ tree: EMPTY, files: 0, bytes: 0 });
});

test('counts files and their bytes', async () => {
  await mkdir(at('a'));
  await writeFile(at('a', 'x'), '12345678');
  await writeFile(at('y'), '123');
  expect(treeHash(folder)).toMatchObject({ files: 2, bytes: 11 });
});

describe('the hash', () => {
  beforeEach(async () => {
    await mkdir(at('a'));
    await writeFile(at('a', 'x'), 'content');
    await symlink('a/x', at('link'));
  });

  test('is the one of another order, another time and another mode', async () => {
    const before = tree();
    await rm(at('a'), { recursive: true });
    await rm(at('link'));
    await symlink('a/x', at('link'));
    await mkdir(at('a'), { mode: 0o700 });
    await writeFile(at('a', 'x'), 'content', { mode: 0o600 });
    await utimes(at('a', 'x'), 1, 1);
    expect(tree()).toBe(before);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a byte', () => writeFile(at('a', 'x'), 'contenT')],
    ['a byte more', () => writeFile(at('a', 'x'), 'content\0')],
    ['the right to execute', () => chmod(at('a', 'x'), 0o755)],
    ['a name', () => mkdir(at('b'))],
    ['an empty file', () => writeFile(at('a', 'y'), '')],
    [
      'where a link leads',
      async () => {
        await rm(at('link'));
        await symlink('a/y', at('link'));
      },
    ],
    [
      'a link that is a file now',
      async () => {
        await rm(at('link'));
        await writeFile(at('link'), 'content');
      },
    ],
  ])('is another one by %s', async (_, change) => {
    const before = tree();
    await change();
    expect(tree()).not.toBe(before);
  });

  test('is refused of a socket or pipe, and of nothing', () => {
    execFileSync('mkfifo', [at('pipe')]);
    const unreadable = expect.objectContaining({ code: 'ERR_FILE_UNREADABLE' });
    expect(tree).toThrow(unreadable);
    expect(() => treeHash(at('gone'))).toThrow(unreadable);
  });
});
