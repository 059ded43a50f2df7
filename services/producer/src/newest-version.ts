import { join } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ContractIdSchema, CountSchema } from '@strongroom/protocol/fields';
import { readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { z } from 'zod';
import { type Agreement, agreementOf, type StreamRequest } from './agreement.ts';
import { exists, prepareFolder, SUCCESSOR_FILE } from './outbox.ts';
import { checkStream, corruptState, type StreamState } from './stream-state.ts';

/**
 * What a state folder remembers of amendments: a producer that was shown one once publishes nothing
 * under an older version any more, also when nobody shows it again.
 */
const SuccessorSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  version: CountSchema,
});
type Successor = z.infer<typeof SuccessorSchema>;

const PRIVATE_FILE = 0o600;

/**
 * `agreementOf`, and a successor that it was shown is remembered.
 * @throws what `agreementOf` throws
 */
export async function agreementFor(request: StreamRequest): Promise<Agreement> {
  try {
    return await agreementOf(request);
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'ERR_CONTRACT_SUPERSEDED') {
      const { successor: contract, version } = error.facts;
      await remember(request.stateFolder, SuccessorSchema.parse({ v: 1, contract, version }));
    }
    throw error;
  }
}

/**
 * A folder goes on under the contract that its stream was begun with, as long as no successor of it
 * was ever seen.
 * @throws ERR_CONTRACT_SUPERSEDED, ERR_STATE_CORRUPT for the folder of another stream
 */
export async function checkVersion(
  folder: string,
  state: StreamState,
  agreement: Agreement,
  stream: StreamState['stream'] | undefined,
): Promise<void> {
  const { contract, contractId } = agreement;
  if (contract.previous === state.contract) {
    await remember(folder, { v: 1, contract: contractId, version: contract.version });
    throw corruptState(
      'state.json',
      'of the version before: an amendment takes a folder of its own',
    );
  }
  checkStream(state, agreement, stream);
  const newest = await recall(folder);
  if (newest === undefined || newest.version <= contract.version) return;
  throw new StrongroomError('ERR_CONTRACT_SUPERSEDED', {
    contract: contractId,
    successor: newest.contract,
    version: newest.version,
  });
}

async function remember(folder: string, successor: Successor): Promise<void> {
  await prepareFolder(folder);
  const known = await recall(folder);
  if (known !== undefined && known.version >= successor.version) return;
  const text = `${JSON.stringify(successor)}\n`;
  await writeFileAtomic(join(folder, SUCCESSOR_FILE), text, PRIVATE_FILE);
}

async function recall(folder: string): Promise<Successor | undefined> {
  const path = join(folder, SUCCESSOR_FILE);
  if (!(await exists(path))) return undefined;
  const parsed = SuccessorSchema.safeParse(parseJson(await readTextFile(path)));
  if (!parsed.success) throw corruptState(SUCCESSOR_FILE, 'not what this producer writes');
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
