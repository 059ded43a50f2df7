import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { writeFileAtomic } from '@strongroom/runtime/files';
import type { ServiceContext } from '@strongroom/runtime/shutdown';

export interface TellingOptions {
  readonly addressFile?: string;
  readonly json?: boolean;
}

/** Where it is told: what is no terminal may be a log that others read, and that is kept. */
interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const FOR_ITS_OWNER_ALONE = 0o600;

/**
 * Says where the page is. Its whole address holds the session's secret, and so the owner's
 * authority: it is printed for a person at a terminal, and elsewhere lies in a file that nobody
 * else may read, for as long as the page is there.
 */
export async function tellAddress(
  { url, secret }: { readonly url: string; readonly secret: string },
  { addressFile, json = false }: TellingOptions,
  { onShutdown }: Pick<ServiceContext, 'onShutdown'>,
  output: Output = process.stdout,
): Promise<string> {
  const address = `${url}/#${secret}`;
  if (output.isTTY === true && addressFile === undefined) {
    const text = `The page is at ${address}\nWhoever has this address has your authority.`;
    output.write(`${json ? JSON.stringify({ url: address }) : text}\n`);
    return address;
  }
  const file = addressFile ?? (await newPlace(onShutdown));
  await writeFileAtomic(file, `${address}\n`, FOR_ITS_OWNER_ALONE);
  onShutdown(() => rm(file, { force: true }));
  const text = `The page's address is in ${file}\nWhoever reads it has your authority.`;
  output.write(`${json ? JSON.stringify({ url, addressFile: file }) : text}\n`);
  return address;
}

/** @returns a file in a folder that nobody else may enter */
async function newPlace(onShutdown: ServiceContext['onShutdown']): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-owner-page-'));
  onShutdown(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'address');
}
