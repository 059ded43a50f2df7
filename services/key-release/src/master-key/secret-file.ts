import { stat } from 'node:fs/promises';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';

const OTHERS = 0o077;

/**
 * Reads a secret from a file or a pipe (`/dev/fd/N`). One that others may read is no secret, and is
 * refused.
 * @returns its text without white space around it
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID
 */
export async function readSecretFile(path: string, setting: string): Promise<string> {
  // A file that is not there has no mode; reading it says so.
  const { mode } = await stat(path).catch(() => ({ mode: 0 }));
  if ((mode & OTHERS) !== 0) {
    const expected = 'a file that only its owner can read (mode 0600)';
    throw new StrongroomError('ERR_CONFIG_INVALID', { setting, expected });
  }
  return (await readTextFile(path)).trim();
}
