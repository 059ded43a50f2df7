import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type Contract, ownersOf, partyOf, type Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { DEBIT_JWS_TYPE, DEBIT_KEY_ID, type Debit } from '@strongroom/protocol/ledger';
import { chargesOf, debitSpanOf } from '@strongroom/protocol/privacy';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { verifyReceipt } from '@strongroom/sealing/audit';
import { claimedAggregate } from '@strongroom/sealing/open';
import type { Signer } from '@strongroom/sealing/sign';
import type { DoorRecord } from './door.ts';

/** What an owner has to write down before a result with noise leaves. */
export interface SignedDebit {
  readonly owner: PartyId;
  readonly debit: Debit;
  /** As it is posted to the owner's ledger. */
  readonly jws: string;
}

/** The proof that it has, by a worker that may lie. */
export interface ReceiptOf {
  readonly owner: string;
  readonly receipt: unknown;
}

/**
 * The vault's side of privacy budgets. What a step uses up is read from the results in it, so that
 * a step that was prepared in another life is debited as it would have been in that one; a ledger
 * writes the debit of a window down once, whoever signs it.
 */
export class Debits {
  readonly #contract: Contract;
  readonly #contractId: ContractId;
  readonly #signer: Signer;

  constructor(contract: Contract, contractId: ContractId, signer: Signer) {
    this.#contract = contract;
    this.#contractId = contractId;
    this.#signer = signer;
  }

  /** What records that want to leave use up; mostly nothing. */
  async of(records: readonly DoorRecord[]): Promise<SignedDebit[]> {
    const signed: SignedDebit[] = [];
    for (const { owner, debit } of this.#unsigned(records)) {
      const header = { typ: DEBIT_JWS_TYPE, kid: DEBIT_KEY_ID };
      signed.push({ owner, debit, jws: await this.#signer.sign(canonicalBytes(debit), header) });
    }
    return signed;
  }

  /**
   * Demands for each debit the proof that it is in the audit log of its owner, for good.
   * @throws ERR_DEBIT_UNPROVEN
   */
  async demandReceipts(
    debits: readonly SignedDebit[],
    receipts: readonly ReceiptOf[],
  ): Promise<void> {
    for (const { owner, debit } of debits) {
      const own = receipts.filter((each) => each.owner === owner);
      const proven = await Promise.all(
        own.map(({ receipt }) => this.#proves(receipt, owner, debit)),
      );
      if (!proven.includes(true)) {
        throw new StrongroomError('ERR_DEBIT_UNPROVEN', { party: owner, query: debit.query });
      }
    }
  }

  async #proves(receipt: unknown, owner: PartyId, debit: Debit): Promise<boolean> {
    const { keyRelease } = partyOf(this.#contract, owner);
    if (!keyRelease) return false;
    // Beside a vault of another make the ledger has a key of its own, which the lease names.
    const releaseKey = keyRelease.lease?.statementKey ?? keyRelease.releaseKey;
    try {
      const { entry } = await verifyReceipt(receipt, { owner, releaseKey });
      return entry.event === 'budget-debited' && isSame(entry['debit'], debit);
    } catch {
      return false;
    }
  }

  #unsigned(records: readonly DoorRecord[]): { owner: PartyId; debit: Debit }[] {
    const debits = new Map<string, { owner: PartyId; debit: Debit }>();
    for (const { query, window } of records.flatMap((record) => this.#resultIn(record))) {
      const place = { v: 1 as const, contract: this.#contractId, query: query.id };
      for (const { id: owner } of ownersOf(this.#contract)) {
        const charges = chargesOf(this.#contract, query, owner);
        if (charges.length === 0) continue;
        const debit: Debit = { ...place, window: debitSpanOf(query, window), charges };
        debits.set(JSON.stringify([owner, debit]), { owner, debit });
      }
    }
    return [...debits.values()];
  }

  #resultIn(record: DoorRecord): { query: Query; window: Debit['window'] }[] {
    if (record.headers['ce_type'] !== RECORD_TYPES.aggregate) return [];
    const { query: id, window } = claimedAggregate(record);
    const query = this.#contract.queries.find((each) => each.id === id);
    return query?.privacy ? [{ query, window }] : [];
  }
}

function isSame(one: unknown, other: Debit): boolean {
  return Buffer.from(canonicalBytes(one)).equals(canonicalBytes(other));
}
