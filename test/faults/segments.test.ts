import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSegments } from './segments.ts';

test('a topic that a worker never came to make holds nothing, and ends no run', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-segments-'));
  try {
    expect(await readSegments(folder, 'never')).toEqual([]);
    await writeFile(join(folder, 'file-0'), '');
    await expect(readSegments(folder, 'file')).rejects.toThrow('ENOTDIR');
  } finally {
    await rm(folder, { recursive: true });
  }
});
