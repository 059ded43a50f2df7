import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseJoinKey } from '@strongroom/sealing/join-key';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inside } from '../test/run-strongroom.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-join-key-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('key join makes a file for its owners alone, and prints the id of contracts', async () => {
  const out = join(folder, 'north-south.join-key.json');
  const { exitCode, data } = await inside('key', 'join', '--out', out);
  expect(exitCode).toBe(0);
  const text = await readFile(out, 'utf8');
  expect(parseJoinKey(text).keyId).toBe(data.keyId);
  expect((await stat(out)).mode & 0o777).toBe(0o600);
  expect(JSON.stringify(data)).not.toContain(JSON.parse(text).key);
  expect(await inside('key', 'join', '--out', out)).toMatchObject({ code: 'ERR_FILE_UNWRITABLE' });
});
