import { type Contract, ownersOf } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { RECEIPTS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import { verifyContractReceipt } from '@strongroom/sealing/audit';

/** That an owner's service wrote into its audit log that it released a key to one worker. */
export interface HeldReceipt {
  readonly owner: string;
  /** Name of the key. */
  readonly key: string;
  /** Number of the entry. */
  readonly sequence: number;
}

/** The receipts that have been seen on the log, by the worker that they speak of. */
export interface ReceiptShelf {
  /** Takes what verifies; anything else proves nothing and is passed over. */
  add(value: Uint8Array): Promise<void>;
  /** @param transportKeySha256 of the modulus to which the worker's keys were wrapped */
  of(transportKeySha256: string): readonly HeldReceipt[];
}

export function createReceiptShelf(contract: Contract, contractId: ContractId): ReceiptShelf {
  const held = new Map<string, HeldReceipt & { readonly worker: string }>();
  return {
    of: (worker) =>
      [...held.values()]
        .filter((receipt) => receipt.worker === worker)
        .map(({ owner, key, sequence }) => ({ owner, key, sequence })),
    add: async (value) => {
      const receipt = await readReceipt(value, contract, contractId);
      if (!receipt) return;
      held.set(`${receipt.owner}.${receipt.sequence}`, receipt);
      const [oldest] = held.keys();
      if (held.size > RECEIPTS_REMEMBERED_MAX && oldest !== undefined) held.delete(oldest);
    },
  };
}

async function readReceipt(value: Uint8Array, contract: Contract, contractId: ContractId) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(value);
    const { entry, head, index } = await verifyContractReceipt(JSON.parse(text), contract);
    if (entry.event !== 'key-released' || entry['contract'] !== contractId) return undefined;
    const [key, worker] = [entry['key'], entry['transportKeySha256']];
    if (typeof key !== 'string' || typeof worker !== 'string') return undefined;
    return { owner: head.owner, key, sequence: index, worker };
  } catch (error) {
    if (
      codeOf(error) === undefined &&
      !(error instanceof SyntaxError || error instanceof TypeError)
    )
      throw error;
    return undefined;
  }
}

/** Owners of whom no receipt was seen: their vault gives none, or the log keeps it back. */
export function ownersWithoutReceipt(
  contract: Contract,
  receipts: readonly HeldReceipt[],
): string[] {
  const known = new Set(receipts.map(({ owner }) => owner));
  return ownersOf(contract).flatMap(({ id }) => (known.has(id) ? [] : [id]));
}
