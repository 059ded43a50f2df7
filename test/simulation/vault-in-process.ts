import { isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import { DoorKeeper } from '../../services/enclave-worker/src/vault/door-keeper.ts';
import type { VaultDoor } from '../../services/enclave-worker/src/vault-process.ts';
import { sharedTransportKey } from '../../services/enclave-worker/test/rsa-keys.ts';

/**
 * The vault behind its door, without a process of its own: requests and answers pass as JSON and
 * bytes all the same. A process a life would make hundreds of lives slow.
 */
export function vaultInProcess(): VaultDoor {
  const keeper = new DoorKeeper(sharedTransportKey());
  let last: Promise<unknown> = Promise.resolve();
  return {
    peakBytes: 0,
    pid: process.pid,
    request: (verb, request, values = []) => {
      const message = copied({ verb, request });
      const served = last.then(() => keeper.serve(message, values));
      last = served;
      return served.then(({ message: answer, blobs }) => answerOf(copied(answer), blobs));
    },
    close: async () => {
      await last;
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: what passes the door is checked on its other side
function copied(message: unknown): any {
  return JSON.parse(JSON.stringify(message));
}

// biome-ignore lint/suspicious/noExplicitAny: as above
function answerOf({ answer, records = [], error }: any, blobs: readonly Uint8Array[]): any {
  if (error) {
    throw new StrongroomError(isErrorCode(error.code) ? error.code : 'ERR_VAULT_LOST', error.facts);
  }
  const withValue = (record: Omit<DoorRecord, 'value'>, index: number) => ({
    ...record,
    value: blobs[index] ?? new Uint8Array(0),
  });
  return { answer, records: records.map(withValue) };
}
