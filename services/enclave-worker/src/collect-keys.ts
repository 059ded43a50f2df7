import { type Contract, type Dataset, partyOf } from '@strongroom/protocol/contract';
import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { KEY_SHARE_WAIT_MS } from '@strongroom/protocol/limits';
import { type ReleasedKey, releasedKeys } from '@strongroom/protocol/released-keys';
import { allAnswers } from './all-answers.ts';
import type { WorkerOptions } from './life.ts';
import type { OwnerReceipt } from './receipts.ts';
import { type KeyRequestOptions, requestKey } from './request-keys.ts';
import type { VaultDoor } from './vault-process.ts';

export interface KeyErrand {
  readonly contract: Contract;
  readonly slice?: number | undefined;
  readonly vault: VaultDoor;
  readonly request: KeyRequestOptions;
  readonly logger: WorkerOptions['logger'];
}

/**
 * Asks for every key at once and brings the answers to the vault, which judges them. Of a key under
 * shares so many holders may fail, in whatever way, as are not needed.
 * @throws ERR_KEY_NOT_RELEASED naming the holders that failed, ERR_KEY_SHARES_INVALID; of keys
 *   without shares what `requestKey` and the vault throw
 */
export async function collectKeys(errand: KeyErrand): Promise<OwnerReceipt[]> {
  const { contract, slice } = errand;
  // A vault that merges what slices have counted opens no batch.
  const datasets = contract.slices !== undefined && slice === undefined ? [] : contract.datasets;
  const answers = await allAnswers(
    releasedKeys(contract, datasets).map((wanted) =>
      wanted.shareOf ? bringShare(wanted, errand) : bringKey(wanted, errand),
    ),
  );
  for (const dataset of datasets) demandShares(dataset, answers);
  return answers.flatMap((answer) => answer.receipts ?? []);
}

interface Answer extends ReleasedKey {
  readonly receipts?: readonly OwnerReceipt[];
  /** Why a share did not come. */
  readonly failed?: ErrorCode;
}

async function bringKey(wanted: ReleasedKey, errand: KeyErrand): Promise<Answer> {
  const { contract, vault, request, logger } = errand;
  const { party: owner, keyId } = wanted;
  const { jws, receipt } = await requestKey(partyOf(contract, owner), keyId, request);
  await vault.request('release', { owner, keyId, jws });
  logger.info('key-received', { party: owner, name: keyId });
  return { ...wanted, receipts: receipt ? [{ owner, receipt }] : [] };
}

async function bringShare(wanted: ReleasedKey, errand: KeyErrand): Promise<Answer> {
  const abortSignal = AbortSignal.timeout(KEY_SHARE_WAIT_MS);
  try {
    return await bringKey(wanted, { ...errand, request: { ...errand.request, abortSignal } });
  } catch (error) {
    const failed = codeOf(error);
    // Other shares would not mend it.
    if (failed === undefined || FATAL.includes(failed)) throw error;
    const { party, keyId: name } = wanted;
    errand.logger.warn('share-not-received', { party, name, code: failed });
    return { ...wanted, failed };
  }
}

const FATAL: readonly ErrorCode[] = ['ERR_KEY_SHARES_INVALID', 'ERR_VAULT_LOST'];

function demandShares({ id, keyShares }: Dataset, answers: readonly Answer[]): void {
  if (!keyShares) return;
  const ofThis = answers.filter(({ shareOf }) => shareOf?.id === id);
  const failed = ofThis.filter((answer) => answer.failed !== undefined);
  if (ofThis.length - failed.length >= keyShares.threshold) return;
  const missing = failed.map((answer) => `${answer.party} (${answer.failed})`).join(', ');
  throw new StrongroomError('ERR_KEY_NOT_RELEASED', {
    dataset: id,
    threshold: keyShares.threshold,
    missing,
  });
}
