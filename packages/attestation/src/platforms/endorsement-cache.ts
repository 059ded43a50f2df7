import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  BUNDLE_BYTES_MAX,
  type Bundle,
  chainOf,
  type Endorsed,
  parseBundle,
  parseStoredChain,
  storedChain,
  storedChainName,
} from '../endorsements/stored-chain.ts';

/** Where chains that were proved once are kept, so that a restart needs no network. */
export interface ChainStore {
  /** Whole and for exactly this, or undefined; what it says is proved by who asks. */
  find(endorsed: Endorsed): Promise<string | undefined>;
  /** Keeps it if it can: a cache that cannot be written costs a request, not the start. */
  keep(endorsed: Endorsed, certificateChain: string): Promise<void>;
}

/** A folder of files, one a chain. */
export function createEndorsementCache(folder: string): ChainStore {
  return {
    async find(endorsed) {
      const text = await readFile(join(folder, storedChainName(endorsed)), 'utf8').catch(() => '');
      return parseStoredChain(text, endorsed);
    },
    async keep(endorsed, certificateChain) {
      const text = `${JSON.stringify(storedChain(endorsed, certificateChain), null, 2)}\n`;
      await tryWrite(folder, storedChainName(endorsed), text);
    },
  };
}

/** Whole or not at all; that it could not be written is no failure. */
export async function tryWrite(
  folder: string,
  name: string,
  content: string | Uint8Array,
): Promise<void> {
  const path = join(folder, name);
  const aside = `${path}.${randomUUID()}`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(aside, content, { flag: 'wx', mode: 0o600 });
    await rename(aside, path);
  } catch {
    await rm(aside, { force: true }).catch(() => undefined);
  }
}

/**
 * What an operator carried in: one JSON file of many chains, or the folder of another cache.
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID, ERR_LIMIT_EXCEEDED
 */
export async function readEndorsementBundle(path: string): Promise<ChainStore> {
  const { chains } = await readBundle(path);
  return {
    find: async (endorsed) => {
      for (const each of chains) {
        const chain = chainOf(each, endorsed);
        if (chain !== undefined) return chain;
      }
      return undefined;
    },
    keep: async () => undefined,
  };
}

/**
 * Of a folder: chains in `.json`, revocation lists in `.crl`.
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID, ERR_LIMIT_EXCEEDED
 */
export async function readBundle(path: string): Promise<Bundle> {
  try {
    if (!(await stat(path)).isDirectory()) return parseBundle(await readBounded(path, 'utf8'));
    const all = await readdir(path);
    const lists: string[] = [];
    for (const name of all.filter((each) => each.endsWith('.crl'))) {
      lists.push(JSON.stringify(await readBounded(join(path, name), 'base64')));
    }
    const names = all.filter((name) => name.endsWith('.json'));
    const texts: string[] = [];
    for (const name of names) texts.push(await readBounded(join(path, name), 'utf8'));
    return parseBundle(`{"v":1,"chains":[${texts}],"revocationLists":[${lists}]}`);
  } catch (error) {
    if (error instanceof StrongroomError) throw error;
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  }
}

async function readBounded(path: string, encoding: 'utf8' | 'base64'): Promise<string> {
  if ((await stat(path)).size > BUNDLE_BYTES_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'BUNDLE_BYTES_MAX' });
  }
  return readFile(path, encoding);
}
