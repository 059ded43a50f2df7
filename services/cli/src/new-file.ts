import { open } from 'node:fs/promises';
import { StrongroomError } from '@strongroom/protocol/errors';

const PRIVATE_FILE = 0o600;

/**
 * Writes a file that only its owner may read and that did not exist: private keys are not made
 * twice by accident.
 * @throws ERR_FILE_UNWRITABLE
 */
export async function makeNewFile(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', PRIVATE_FILE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new StrongroomError('ERR_FILE_UNWRITABLE', { path, reason });
  }
}
