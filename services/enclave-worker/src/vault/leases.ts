import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type Contract, type Party, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import {
  LEASE_STATEMENT_JWS_TYPE,
  LEASE_STEP_JWS_TYPE,
  type LeaseStatement,
  LeaseStatementSchema,
  type LeaseStep,
} from '@strongroom/protocol/lease';
import { AGGREGATE_KID } from '@strongroom/protocol/sealed-aggregate';
import type { Signer } from '@strongroom/sealing/sign';
import { Debits, type ReceiptOf, type SignedDebit } from './debits.ts';
import type { DoorRecord } from './door.ts';
import { openIssuerJws } from './issuer-jws.ts';

/** A step that waits for the word of the owners. */
interface Step {
  readonly from: string;
  readonly to: string;
}

/** Records on their way out, or what the owners must confirm before they are. */
export interface Departure {
  readonly records: readonly DoorRecord[];
  readonly leaseStep?: string;
  /** What owners have to write down first. */
  readonly debits?: readonly SignedDebit[];
  /** To be on the log before anything else is done. */
  readonly prepared?: DoorRecord;
}

/** What the owner of a lease said, by a worker that may lie. */
export interface StatementOf {
  readonly owner: string;
  readonly statement: string;
}

/**
 * The vault's side of its leases. Nothing leaves before every owner that keeps one has said in
 * writing that this vault may go on from the last checkpoint to the next.
 */
export class Leases {
  readonly #contract: Contract;
  readonly #contractId: ContractId;
  readonly #signer: Signer;
  readonly #slice: { readonly slice?: number };
  readonly #granted = new Map<PartyId, LeaseStatement>();
  readonly #debits: Debits;
  #waiting:
    | {
        readonly step: Step;
        readonly records: readonly DoorRecord[];
        readonly debits: readonly SignedDebit[];
      }
    | undefined;

  /** @param slice whose worker this is, where the contract has them */
  constructor(contract: Contract, contractId: ContractId, signer: Signer, slice?: number) {
    this.#slice = slice === undefined ? {} : { slice };
    this.#contract = contract;
    this.#contractId = contractId;
    this.#signer = signer;
    this.#debits = new Debits(contract, contractId, signer);
  }

  /** Owners that keep a lease of their own; often all, and none in an older contract. */
  get owners(): readonly Party[] {
    return this.#contract.parties.filter(({ keyRelease }) => keyRelease?.lease !== undefined);
  }

  /** Takes the grant of one owner. @throws ERR_LEASE_INVALID */
  async accept({ owner, statement }: StatementOf): Promise<void> {
    const granted = await this.#open(owner, statement);
    if (granted.state !== 'held') throw invalid(owner, 'state');
    this.#granted.set(granted.owner, granted);
  }

  /** No result of this vault has an epoch that an owner has seen before. */
  get epoch(): number {
    return Math.max(0, ...[...this.#granted.values()].map(({ epoch }) => epoch));
  }

  /**
   * May the computation go on from this checkpoint? It must be the end of the newest step of every
   * lease.
   * @throws ERR_LEASE_INVALID when a grant is missing
   */
  allowStart(checkpoint: string): boolean {
    return this.#grants().every(({ to }) => to === checkpoint);
  }

  /**
   * May this step, which was prepared, leave now? An owner may have confirmed it already; one that
   * has confirmed another step from there forbids it.
   * @throws ERR_LEASE_INVALID when a grant is missing
   */
  allowsStep(from: string, to: string): boolean {
    return this.#grants().every(
      (granted) => granted.to === from || (granted.from === from && granted.to === to),
    );
  }

  #grants(): readonly LeaseStatement[] {
    return this.owners.map(({ id }) => {
      const granted = this.#granted.get(id);
      if (!granted) throw invalid(id, 'no lease');
      return granted;
    });
  }

  /**
   * Records leave at once where no owner keeps a lease and no result has noise; elsewhere they wait
   * for the word of each.
   * @throws ERR_LEASE_INVALID while others wait
   */
  async hold(
    { from, to }: Step,
    records: readonly DoorRecord[],
    epoch: number,
  ): Promise<Departure> {
    const debits = await this.#debits.of(records);
    const owed = debits.length > 0 ? { debits } : {};
    if (this.owners.length === 0 && debits.length === 0) return { records };
    if (this.#waiting) throw new StrongroomError('ERR_LEASE_INVALID', { problem: 'a step waits' });
    this.#waiting = { step: { from, to }, records, debits };
    if (this.owners.length === 0) return { records: [], ...owed };
    const place = { contract: this.#contractId, ...this.#slice };
    const payload: LeaseStep = { v: 1, ...place, epoch, from, to };
    const header = { typ: LEASE_STEP_JWS_TYPE, kid: AGGREGATE_KID };
    const leaseStep = await this.#signer.sign(canonicalBytes(payload), header);
    return { records: [], leaseStep, ...owed };
  }

  /**
   * @throws ERR_LEASE_INVALID unless every owner has confirmed exactly the step that waits;
   *   ERR_DEBIT_UNPROVEN unless every owner has written down what it uses up
   */
  async depart(
    statements: readonly StatementOf[],
    receipts: readonly ReceiptOf[] = [],
  ): Promise<readonly DoorRecord[]> {
    if (!this.#waiting) throw new StrongroomError('ERR_LEASE_INVALID', { problem: 'no step' });
    const { step, records, debits } = this.#waiting;
    await this.#debits.demandReceipts(debits, receipts);
    const confirmed = new Set<string>();
    for (const each of statements) {
      const { state, from, to } = await this.#open(each.owner, each.statement);
      const isThis = state === 'held' && from === step.from && to === step.to;
      if (!isThis) throw invalid(each.owner, 'step');
      confirmed.add(each.owner);
    }
    const missing = this.owners.find(({ id }) => !confirmed.has(id));
    if (missing) throw invalid(missing.id, 'no statement');
    this.#waiting = undefined;
    return records;
  }

  /** What waits does not leave any more, whoever confirms it. @returns whether something waited */
  forget(): boolean {
    const waited = this.#waiting !== undefined;
    this.#waiting = undefined;
    return waited;
  }

  /** The owner's own word that it has ended the contract. @throws ERR_LEASE_INVALID */
  async openRevocation({ owner, statement }: StatementOf): Promise<LeaseStatement> {
    const revocation = await this.#open(owner, statement);
    if (revocation.state !== 'revoked') throw invalid(owner, 'state');
    return revocation;
  }

  async #open(owner: string, jws: string): Promise<LeaseStatement> {
    const { id, keyRelease } = partyOf(this.#contract, owner);
    if (!keyRelease?.lease) throw invalid(owner, 'an owner without a lease');
    const value = await openIssuerJws(jws, keyRelease.lease.statementKey, LEASE_STATEMENT_JWS_TYPE);
    const parsed = LeaseStatementSchema.safeParse(value);
    if (!parsed.success) throw invalid(owner, 'signature or members');
    const statement = parsed.data;
    if (statement.owner !== id || statement.contract !== this.#contractId) {
      throw invalid(owner, 'of another contract or owner');
    }
    if (statement.state === 'revoked') return statement;
    // A genuine vault of another slice could hold it: what is granted to that moves nothing here.
    if (statement.slice !== this.#slice.slice) throw invalid(owner, 'of another slice');
    if (!this.isMine(statement)) throw invalid(owner, 'of another holder');
    return statement;
  }

  /** Whether this vault is the newest holder that the owner knows. */
  isMine({ holder }: LeaseStatement): boolean {
    return holder === this.#holder;
  }

  get #holder(): string | undefined {
    const { publicKey } = this.#signer;
    return publicKey.kty === 'OKP' ? publicKey.x : undefined;
  }
}

function invalid(party: string, problem: string): StrongroomError {
  return new StrongroomError('ERR_LEASE_INVALID', { party, problem });
}
