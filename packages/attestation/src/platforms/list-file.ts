import { readFile, stat } from 'node:fs/promises';
import { StrongroomError } from '@strongroom/protocol/errors';
import { REVOCATION_LIST_BYTES_MAX } from '@strongroom/protocol/limits';

/**
 * A revocation list in DER, as AMD's key distribution service gives it and caches keep it; whoever
 * verifies reads it.
 * @throws ERR_FILE_UNREADABLE, ERR_LIMIT_EXCEEDED
 */
export async function readListFile(path: string): Promise<Uint8Array> {
  try {
    if ((await stat(path)).size <= REVOCATION_LIST_BYTES_MAX) {
      return new Uint8Array(await readFile(path));
    }
  } catch {
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  }
  throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'REVOCATION_LIST_BYTES_MAX' });
}
