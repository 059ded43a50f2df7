import { type AuditReceipt, AuditReceiptSchema } from '@strongroom/protocol/audit';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { ContractId } from '@strongroom/protocol/fields';
import { plainRecordShape, RECORD_TYPES } from '@strongroom/protocol/record';
import type { DoorRecord } from './vault/door.ts';

/** The proof that an owner's service wrote a release into its audit log. */
export interface OwnerReceipt {
  readonly owner: string;
  readonly receipt: AuditReceipt;
}

/**
 * The receipt in a release's answer; undefined where there is none, as in Azure's own vaults. Only
 * its shape is looked at: whoever reads it from the log verifies it.
 * @param text the body of the answer
 */
export function receiptIn(text: string): AuditReceipt | undefined {
  try {
    return AuditReceiptSchema.optional().parse(JSON.parse(text).receipt);
  } catch {
    return undefined;
  }
}

/** On the log that all parties read, it is out of reach of the service that gave it. */
export function receiptRecord(contract: ContractId, { owner, receipt }: OwnerReceipt): DoorRecord {
  const shape = plainRecordShape(contract, RECORD_TYPES.receipt, `${owner}.${receipt.index}`);
  return { key: shape.key, headers: shape.headers, value: canonicalBytes(receipt) };
}
