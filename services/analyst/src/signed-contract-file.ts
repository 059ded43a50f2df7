import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { verifyContract } from '@strongroom/sealing/verify';

/**
 * The contract that everything read is checked against, with every party's signature verified.
 * @throws ERR_FILE_UNREADABLE, ERR_JSON_MALFORMED, ERR_CONTRACT_*
 */
export async function readSignedContract(path: string) {
  const text = await readTextFile(path);
  let signed: unknown;
  try {
    signed = JSON.parse(text);
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED', { path });
  }
  return verifyContract(signed);
}
