import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tellAddress } from './tell-address.ts';

const PAGE = { url: 'http://127.0.0.1:8481', secret: 'a-secret' };
const ADDRESS = 'http://127.0.0.1:8481/#a-secret';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-address-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function told(isTTY: boolean, options: { addressFile?: string; json?: boolean } = {}) {
  const shutdown: (() => Promise<void> | void)[] = [];
  let text = '';
  const output = { isTTY, write: (more: string) => (text += more) };
  const onShutdown = (work: () => Promise<void> | void) => shutdown.push(work);
  const address = await tellAddress(PAGE, options, { onShutdown }, output);
  const end = async () => {
    for (const work of shutdown) await work();
  };
  return { address, text, end };
}

describe('the address of the page', () => {
  test.each([false, true])('is printed at a terminal (json: %s)', async (json) => {
    const { text, address } = await told(true, { json });
    expect(address).toBe(ADDRESS);
    expect(text).toContain(json ? JSON.stringify({ url: ADDRESS }) : ADDRESS);
  });

  test.each([false, true])('lies in a private file elsewhere (json: %s)', async (json) => {
    const { text, end } = await told(false, { json });
    expect(text).not.toContain(PAGE.secret);
    const file = json ? JSON.parse(text).addressFile : /is in (\S+)/.exec(text)?.[1];
    expect(await readFile(file, 'utf8')).toBe(`${ADDRESS}\n`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await end();
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  test.each([false, true])('lies where it is wanted (terminal: %s)', async (isTTY) => {
    const file = join(folder, `address-${isTTY}`);
    // Of a start that was killed; others could read it.
    await writeFile(file, 'old', { mode: 0o644 });
    const { text, end } = await told(isTTY, { addressFile: file });
    expect(text).not.toContain(PAGE.secret);
    expect(await readFile(file, 'utf8')).toBe(`${ADDRESS}\n`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await end();
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  test('is told to nobody where the file cannot be written', async () => {
    const addressFile = join(folder, 'absent', 'address');
    await expect(told(false, { addressFile })).rejects.toMatchObject({
      code: 'ERR_FILE_UNWRITABLE',
    });
  });
});
