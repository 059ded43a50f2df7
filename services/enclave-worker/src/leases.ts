import { setTimeout as delay } from 'node:timers/promises';
import { type Contract, type Party, partyOf } from '@strongroom/protocol/contract';
import { codeOf, type ErrorCode, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { LEASE_POLL_MS, LEASE_RENEWAL_MS, leasePath } from '@strongroom/protocol/lease';
import type { Logger } from '@strongroom/runtime/logger';
import { allAnswers } from './all-answers.ts';
import type { CredentialFor } from './credentials.ts';
import { type JsonAnswer, memberOf, postJson } from './http-post.ts';
import type { DoorRecord, Outgoing } from './vault/door.ts';
import type { VaultDoor } from './vault-process.ts';

/**
 * The worker's errands between the vault and the owners that keep a lease. What they tell each
 * other is signed; the worker can lose it, and can change nothing.
 */
export interface LeaseOptions {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /** Each has a lease of its own. */
  readonly slice?: number | undefined;
  readonly vault: VaultDoor;
  readonly credentialFor: CredentialFor;
  readonly ca?: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** An owner ended the contract, or approved an amendment of it. */
const ENDED = ['ERR_CONTRACT_REVOKED', 'ERR_CONTRACT_SUPERSEDED'] as const;

type Debits = NonNullable<Outgoing['debits']>;

/** The owner's signed word that the contract has ended. */
export class Revoked extends StrongroomError {
  readonly owner: string;
  readonly statement: string;

  constructor(code: (typeof ENDED)[number], owner: string, statement: string) {
    super(code, { party: owner });
    this.owner = owner;
    this.statement = statement;
  }
}

export class LeaseErrands {
  readonly #options: LeaseOptions;
  readonly #owners: readonly Party[];
  /** The key that names this vault to the owners; known once its evidence is. */
  #holder: string | undefined;
  /** The proof of this vault, as an owner's service takes it. */
  #target: string | undefined;
  #renewing: Promise<void> = Promise.resolve();
  readonly #over = new AbortController();
  readonly #lost = new AbortController();

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#owners = options.contract.parties.filter(({ keyRelease }) => keyRelease?.lease);
  }

  /**
   * A nonce of each owner, for the vault's claims; undefined where nobody keeps a lease. While
   * another worker holds one, this one stands by.
   * @throws ERR_LEASE_HELD when it is told to stop meanwhile
   */
  async challenges(): Promise<Record<string, string> | undefined> {
    if (this.#owners.length === 0) return undefined;
    let answers = await this.#askAll('nonces', {});
    for (let waited = false; answers.some(isHeld); waited = true) {
      const { signal, logger } = this.#options;
      if (!waited) logger.info('lease-held-by-another');
      await delay(LEASE_POLL_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw new StrongroomError('ERR_LEASE_HELD');
      answers = await this.#askAll('nonces', {});
    }
    return Object.fromEntries(answers.map(({ owner, body }) => [owner, textIn(body, 'nonce')]));
  }

  /**
   * @param target the proof of this vault, as a key release takes it
   * @param holder the key that signs its results
   * @throws ERR_LEASE_HELD, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED, what key release says to
   *   a proof
   */
  async acquire(target: string, holder: string): Promise<void> {
    this.#holder = holder;
    this.#target = target;
    for (const { owner, statement } of await this.#statements('', { target })) {
      await this.#options.vault.request('lease', { owner, statement });
      this.#options.logger.info('lease-acquired', { party: owner });
    }
    if (this.#owners.length > 0) this.#renewing = this.#renew(this.#over.signal);
  }

  /** Whether any owner keeps one. */
  get areKept(): boolean {
    return this.#owners.length > 0;
  }

  /** Aborts, with the owner's refusal as its reason, when a lease is not renewed. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * What the vault wants to leave, once every owner has written down what it uses up of a budget,
   * and has agreed.
   * @throws ERR_BUDGET_*, ERR_DEBIT_*, ERR_LEASE_*
   */
  async depart({ leaseStep, debits = [] }: Outgoing, records: readonly DoorRecord[]) {
    if (leaseStep === undefined && debits.length === 0) return records;
    const receipts = await Promise.all(debits.map((each) => this.#debit(each)));
    const statements =
      leaseStep === undefined ? [] : await this.#statements('steps', { step: leaseStep });
    return (await this.#options.vault.request('depart', { statements, receipts })).records;
  }

  async #debit({ owner, debit }: Debits[number]) {
    const party = partyOf(this.#options.contract, owner);
    const path = `ledger/${this.#options.contractId}/debits`;
    const body = await this.#post(
      party,
      path,
      { target: this.#target, debit },
      'ERR_DEBIT_INVALID',
    );
    return { owner, receipt: memberOf(body, 'receipt') };
  }

  async #renew(signal: AbortSignal): Promise<void> {
    while (!this.#lost.signal.aborted) {
      await delay(LEASE_RENEWAL_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#askAll('renewals', { holder: this.#holder }).catch((error: unknown) => {
        const code = codeOf(error) ?? 'ERR_INTERNAL';
        this.#options.logger.warn('lease-not-renewed', { code });
        // An owner that is away for a moment: the next attempt, or the next step, will tell.
        if (code !== 'ERR_SERVICE_UNREACHABLE') this.#lost.abort(error);
      });
    }
  }

  /** So that the next worker need not wait; it fails quietly, for the lease ends by itself. */
  async end(): Promise<void> {
    this.#over.abort();
    await this.#renewing;
    if (this.#holder === undefined) return;
    await this.#askAll('end', { holder: this.#holder }).catch(() => undefined);
  }

  async #statements(path: string, body: object) {
    const answers = await this.#askAll(path, body);
    return answers.map((each) => ({
      owner: each.owner,
      statement: textIn(each.body, 'statement'),
    }));
  }

  async #askAll(path: string, body: object): Promise<{ owner: string; body: unknown }[]> {
    return await allAnswers(
      this.#owners.map(async (party) => ({
        owner: party.id,
        body: await this.#ask(party, path, body),
      })),
    );
  }

  async #ask(party: Party, path: string, body: object): Promise<unknown> {
    const { contractId, slice } = this.#options;
    const at = leasePath(contractId, slice);
    return await this.#post(party, `${at}/${path}`, body, 'ERR_LEASE_INVALID');
  }

  /** Lease and ledger are at one place: beside keys of another make, or where the keys are. */
  async #post(party: Party, path: string, body: object, unclear: ErrorCode): Promise<unknown> {
    const { credentialFor, ca } = this.#options;
    const { keyRelease } = party;
    const url = new URL(`${keyRelease?.lease?.url ?? keyRelease?.url}/${path}`);
    const trusted = ca === undefined ? {} : { ca };
    const answer = await postJson(url, body, { ...credentialFor(party.id), ...trusted });
    if (answer.status === 200) return answer.body;
    throw refusal(party.id, answer, unclear);
  }
}

function isHeld({ body }: { readonly body: unknown }): boolean {
  return memberOf(body, 'state') === 'held';
}

function refusal(owner: string, { status, body }: JsonAnswer, unclear: ErrorCode): StrongroomError {
  const inner = memberOf(memberOf(body, 'error'), 'innererror');
  const code = memberOf(inner, 'code');
  const statement = memberOf(inner, 'statement');
  const ended = ENDED.find((each) => each === code);
  if (ended && typeof statement === 'string') return new Revoked(ended, owner, statement);
  const unknown: ErrorCode = status >= 500 ? 'ERR_SERVICE_UNREACHABLE' : unclear;
  return new StrongroomError(isErrorCode(code) ? code : unknown, { party: owner, status });
}

function textIn(body: unknown, name: string): string {
  const text = memberOf(body, name);
  if (typeof text === 'string') return text;
  throw new StrongroomError('ERR_LEASE_INVALID', { problem: `no ${name}` });
}
