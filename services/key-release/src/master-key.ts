import { stat } from 'node:fs/promises';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';

const MASTER_KEY_BYTES = 32;
const OTHERS = 0o077;

/**
 * Reads the key that wraps all others. A file that others may read is no secret, and is refused.
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID
 */
export async function readMasterKey(path: string): Promise<Uint8Array> {
  const text = (await readTextFile(path)).trim();
  const { mode } = await stat(path);
  if ((mode & OTHERS) !== 0) throw invalid('a file that only its owner can read (mode 0600)');
  const masterKey = decodeBase64url(text);
  if (masterKey?.length !== MASTER_KEY_BYTES) {
    throw invalid(`base64url of ${MASTER_KEY_BYTES} bytes`);
  }
  return masterKey;
}

function invalid(expected: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { setting: 'master-key-file', expected });
}
