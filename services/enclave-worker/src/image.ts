import { join, resolve } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readBinaryFile, readTextFile } from '@strongroom/runtime/files';
import { z } from 'zod';

/**
 * The worker's image on the simulated platform: every file of ours that it loads, and tcb.json,
 * which names the exact versions of everything else. Whoever has this checkout can take its
 * measurement.
 */

const INSTALLATION = resolve(import.meta.dirname, '../../..');
const TCB_FILE = 'services/enclave-worker/tcb.json';

const TcbSchema = z.looseObject({
  files: z.array(z.string()),
  insecureFiles: z.array(z.string()),
});

/** The parts in the order in which they are measured: by path, tcb.json last. */
export async function readImage(): Promise<Uint8Array[]> {
  const parsed = TcbSchema.safeParse(JSON.parse(await readTextFile(join(INSTALLATION, TCB_FILE))));
  if (!parsed.success) throw new StrongroomError('ERR_CONFIG_INVALID', { path: TCB_FILE });
  const paths = [...parsed.data.files, ...parsed.data.insecureFiles].sort().map(installedPath);
  const parts: Uint8Array[] = [];
  for (const path of [...paths, TCB_FILE]) {
    parts.push(await readBinaryFile(join(INSTALLATION, path)));
  }
  return parts;
}

/** tcb.json names sources; an image holds what was built from them. */
function installedPath(source: string): string {
  if (import.meta.filename.endsWith('.ts')) return source;
  return source.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
}
