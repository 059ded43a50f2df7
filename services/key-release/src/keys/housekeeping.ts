import type { Clock } from '@strongroom/runtime/clock';
import type { Logger } from '@strongroom/runtime/logger';
import type { DeletedKeys } from './deleted-keys.ts';
import type { KeyStore, KeyVersion } from './key-store.ts';
import { dueActions, type RotationPolicies, rotateKey } from './rotation.ts';

export interface HousekeepingOptions {
  readonly keyStore: KeyStore;
  readonly deletedKeys: DeletedKeys;
  readonly rotationPolicies: RotationPolicies;
  readonly clock: Clock;
  readonly logger: Logger;
}

const EVERY_MS = 3_600_000;
const KEYS_PER_PAGE = 100;
/** In the audit log: nobody asked. */
const BY = 'rotation-policy';

/** Does what time asks for, now and every hour. @returns how to stop */
export async function startHousekeeping(options: HousekeepingOptions): Promise<() => void> {
  await keepHouse(options);
  const timer = setInterval(() => {
    keepHouse(options).catch(() => options.logger.error('housekeeping-failed'));
  }, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Purges what can no longer be recovered, and rotates what its rotation policy says. */
export async function keepHouse(options: HousekeepingOptions): Promise<void> {
  const { keyStore, deletedKeys, rotationPolicies, clock, logger } = options;
  const seconds = () => Math.floor(clock.now() / 1_000);
  deletedKeys.purgeExpired();
  for (const key of everyKey(keyStore)) {
    const due = dueActions(key, rotationPolicies.find(key.name), seconds());
    if (due.has('notify')) logger.warn('rotation-due', { name: key.name });
    if (!due.has('rotate')) continue;
    await rotateKey(key.name, { keyStore, rotationPolicies, seconds }, BY);
    logger.info('key-rotated', { name: key.name });
  }
}

function everyKey(keyStore: KeyStore): KeyVersion[] {
  const found: KeyVersion[] = [];
  for (let page = keyStore.list('', KEYS_PER_PAGE); page.length > 0; ) {
    found.push(...page);
    page = keyStore.list(page.at(-1)?.name ?? '', KEYS_PER_PAGE);
  }
  return found;
}
