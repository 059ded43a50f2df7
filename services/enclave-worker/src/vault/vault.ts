// More than 300 lines, because everything that the door may ask for is decided here.
import { parseProof } from '@strongroom/protocol/attestation-proof';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Checkpoint } from '@strongroom/protocol/checkpoint';
import {
  type Contract,
  type Dataset,
  datasetOf,
  datasetsOf,
  partyOf,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, DatasetId } from '@strongroom/protocol/fields';
import { freeMemory } from '@strongroom/protocol/message-memory';
import { demandLeases } from '@strongroom/protocol/privacy';
import {
  beginsResult,
  plainRecordShape,
  RECORD_TYPES,
  type RecordType,
} from '@strongroom/protocol/record';
import { demandSlice, streamsOfSlice } from '@strongroom/protocol/slices';
import { demandUnamended } from '@strongroom/sealing/amendment';
import { verifyContract } from '@strongroom/sealing/verify';
import { Computation } from './computation.ts';
import type {
  Closing,
  DoorEntry,
  DoorRecord,
  DoorVerbs,
  EntryOutcome,
  Restored,
  SealedStep,
  StatementAnswer,
  StreamProgress,
} from './door.ts';
import { Aggregator } from './engine/aggregate.ts';
import { type OpenedEntries, openEntries, takeEntries } from './intake.ts';
import { VaultKeys } from './keys.ts';
import { type Departure, Leases, type StatementOf } from './leases.ts';
import { NoiseSeeds } from './noise-seeds.ts';
import { Quarantine } from './quarantine.ts';
import { proofHash, type ResultProof } from './seal-aggregate.ts';
import { FinalComputation } from './slices/final-computation.ts';
import { type Sealing, SliceTeller } from './slices/slice-teller.ts';
import { takePartials } from './slices/take-partials.ts';
import { answerChallenge, Refusals } from './statement.ts';
import { Steps } from './steps.ts';
import { countedIn, signStopNotice } from './stop-notice.ts';
import { type StreamSet, streamSetsOf, streamsIn } from './stream-set.ts';
import { createTransportKey, type TransportKey } from './transport-key.ts';
import { Uses } from './uses.ts';

interface OpenOptions {
  readonly amendments?: readonly unknown[];
  readonly memoryMb?: number;
  readonly transportKey?: Promise<TransportKey>;
  readonly slice?: number;
  /** What could be folded too: slower, and the same results. */
  readonly keepsRows?: boolean;
}

/**
 * The vault: everything that sees plaintext or keys, behind verbs that take and give sealed bytes,
 * public keys, codes and counts. What it says is meant to be committed in the order it is said; a
 * worker that loses a commit throws the vault away and opens another one from the checkpoint.
 */
export class Vault {
  readonly #contract: Contract;
  readonly #contractId: ContractId;
  readonly #keys: VaultKeys;
  readonly #aggregator: Aggregator;
  readonly #streams: ReadonlyMap<DatasetId, StreamSet>;
  readonly #slice: number | undefined;
  /** Of rows; not in a vault that merges what slices have counted. */
  readonly #computation: Computation;
  readonly #teller: SliceTeller | undefined;
  readonly #final: FinalComputation | undefined;
  readonly #refusals = new Refusals();
  readonly #leases: Leases;
  readonly #uses: Uses;
  readonly #quarantine: Quarantine;
  #attestationProof: string | undefined;
  #epoch = 0;
  #committedDone = false;
  readonly #steps: Steps;

  private constructor(
    contract: Contract,
    contractId: ContractId,
    keys: VaultKeys,
    aggregator: Aggregator,
    slice: number | undefined,
  ) {
    this.#contract = contract;
    this.#contractId = contractId;
    this.#keys = keys;
    this.#aggregator = aggregator;
    this.#slice = slice;
    const isFinal = contract.slices !== undefined && slice === undefined;
    this.#streams = isFinal ? new Map() : streamSetsOf(contract, contractId, slice);
    this.#teller = slice === undefined ? undefined : new SliceTeller(slice, contractId);
    this.#final = isFinal ? new FinalComputation(contract, contractId, aggregator) : undefined;
    this.#computation = new Computation(contract, aggregator, this.#streams);
    this.#leases = new Leases(contract, contractId, keys.signer, slice);
    this.#uses = new Uses(contract, contractId);
    this.#steps = new Steps(contractId, this.#leases);
    this.#quarantine = new Quarantine(contract, contractId);
  }

  /**
   * A vault that is shown an amendment does not open the version before.
   * @param options.transportKey one that was begun before, and that no other vault has
   * @param options.slice which alone is counted; absent: results are told
   * @throws ERR_SLICE_UNKNOWN, ERR_QUERY_NOT_SLICED, ERR_CONTRACT_*, ERR_AMENDMENT_REFUSED,
   *   ERR_JSON_*, ERR_NOISE_WITHOUT_LEASE, ERR_QUERY_REFUSED, ERR_ENGINE_OPEN
   */
  static async open(
    signed: unknown,
    { amendments = [], transportKey, slice, ...options }: OpenOptions = {},
  ): Promise<Vault> {
    await demandUnamended(signed, amendments);
    const { contract, contractId } = await verifyContract(signed);
    demandSlice(contract, slice);
    for (const query of contract.queries) demandLeases(contract, query);
    const opening = [
      Aggregator.open(contract, options),
      transportKey ?? createTransportKey(),
    ] as const;
    const [aggregator, transport] = await Promise.all(opening);
    const keys = await VaultKeys.create(contract, contractId, transport, slice);
    return new Vault(contract, contractId, keys, aggregator, slice);
  }

  get contractId(): ContractId {
    return this.#contractId;
  }

  /**
   * What the platform's report must bind: the canonical bytes of the runtime claims.
   * @param challenges nonces of the owners that keep a lease
   */
  claims(challenges?: Readonly<Record<string, string>>): DoorVerbs['claims']['answer'] {
    const claims = challenges ? this.#keys.challenge(challenges) : this.#keys.claims;
    return {
      runtimeClaims: encodeBase64url(canonicalBytes(claims)),
      nonce: claims.nonce,
      holder: claims.keys[1].x,
    };
  }

  /**
   * What proves this vault's keys; results name it, and whoever reads them verifies it.
   * @throws ERR_TOKEN_INVALID, ERR_LIMIT_EXCEEDED for what no reader could take for a proof
   */
  acceptProof(proof: string): void {
    parseProof(new TextEncoder().encode(proof));
    this.#attestationProof = proof;
  }

  /** @throws ERR_RELEASE_INVALID, ERR_PARTY_UNKNOWN */
  async acceptRelease(owner: string, keyId: string, jws: string): Promise<void> {
    await this.#keys.acceptRelease(owner, keyId, jws);
    this.#uses.released(partyOf(this.#contract, owner).id, keyId);
  }

  /** Where owners keep leases: their grants, and what waits for their word. */
  get leases(): Leases {
    return this.#leases;
  }

  /**
   * Begins where the newest of the checkpoints ends, or at the beginning without any. A step that
   * was prepared there leaves first, before the epoch is announced.
   * @throws ERR_CHECKPOINT_INVALID when none opens, ERR_KEY_NOT_RELEASED, ERR_LEASE_INVALID,
   *   ERR_LEASE_FORKED when the owners have agreed to more than the log holds
   */
  async restore(
    jwes: readonly string[],
    prepared: readonly SealedStep[] = [],
  ): Promise<Restored & { readonly departure: Departure }> {
    for (const dataset of this.#streams.keys()) this.#keys.unwrapperOf(dataset);
    const start = await this.#steps.resume(jwes, prepared, this.#keys.stateKey());
    if (start) this.#restoreFrom(start.checkpoint, start.before);
    this.#epoch = Math.max(this.#epoch, this.#leases.epoch);
    const departure = start?.departure ?? { records: [] };
    const { done } = this.#windows;
    return { epoch: this.#epoch, from: this.#readFrom(), done, departure };
  }

  #readFrom(): Restored['from'] {
    if (this.#final) return this.#final.inputs.readFrom;
    return [...this.#streams].flatMap(([dataset, { readFrom }]) =>
      streamsOfSlice(readFrom, this.#contract, this.#slice).map((at) => ({ dataset, ...at })),
    );
  }

  /** What closes windows here. */
  get #windows(): Computation | FinalComputation {
    return this.#final ?? this.#computation;
  }

  #restoreFrom(checkpoint: Checkpoint, before?: Checkpoint): void {
    this.#epoch = checkpoint.epoch + 1;
    this.#windows.restore(checkpoint);
    this.#teller?.restore(checkpoint);
    this.#uses.restore(checkpoint.uses, before?.uses);
    this.#committedDone = this.#windows.done;
    for (const state of checkpoint.streams) {
      const stream = this.#streams.get(state.dataset);
      if (!stream) throw new StrongroomError('ERR_CHECKPOINT_INVALID', { dataset: state.dataset });
      stream.restore(state);
    }
  }

  /** The first records of an epoch: the proof, and a checkpoint that claims the epoch. */
  async announce(): Promise<Departure> {
    const proof = this.#demandProof();
    const record = this.#plainRecord(RECORD_TYPES.token, proofHash(proof), proof);
    this.#uses.started();
    return this.#departWithCheckpoint([record]);
  }

  /**
   * Opens records before their turn has come, which depends on nothing that those before them
   * change; `accept` is given what comes of it.
   * @returns undefined where there is nothing to open before
   */
  async openAhead(
    datasetId: string,
    entries: readonly DoorEntry[],
  ): Promise<OpenedEntries | undefined> {
    const streams = [...this.#streams.values()].find(({ dataset }) => dataset.id === datasetId);
    return streams && (await this.#open(streams, entries));
  }

  #open(streams: StreamSet, entries: readonly DoorEntry[]): Promise<OpenedEntries> {
    const at = { contract: this.#contract, contractId: this.#contractId };
    return openEntries(entries, { ...at, keys: this.#keys, streams });
  }

  /**
   * Takes records of one dataset's topic in the log's order.
   * @param at by the clock of the worker's machine
   * @param ahead what `openAhead` has made of them
   * @throws what halts the computation: ERR_STREAM_FORKED, ERR_MANIFEST_MISMATCH, ERR_VAULT_MEMORY
   */
  async accept(
    datasetId: string,
    entries: readonly DoorEntry[],
    at = 0,
    ahead?: OpenedEntries,
  ): Promise<EntryOutcome[]> {
    if (this.#final) return await this.#hear(this.#final, datasetId, entries);
    const dataset = datasetOf(this.#contract, datasetId);
    const streams = this.#streams.get(dataset.id);
    if (!streams) throw new StrongroomError('ERR_DATASET_UNKNOWN', { dataset: datasetId });
    const opened = ahead ?? (await this.#open(streams, entries));
    const { outcomes, later, batches, plaintexts, removed } = takeEntries(entries, opened, {
      streams,
      judge: this.#computation.judgeOf(dataset),
      isOpen: (eventTime) => this.#computation.isOpenFor(dataset.id, eventTime),
    });
    this.#refusals.count(outcomes);
    this.#uses.count(dataset.id, outcomes);
    await this.#quarantine.add(dataset, { entries, outcomes, later }, at, () => this.#proof());
    const keepFrom = this.#computation.keepFrom(dataset.id);
    if (batches.length > 0 && keepFrom !== Number.POSITIVE_INFINITY) {
      await this.#aggregator.append(dataset.id, batches, keepFrom);
    }
    for (const plaintext of plaintexts) freeMemory(plaintext);
    if (removed.length > 0) await this.#takeBack(dataset, removed);
    return [...outcomes];
  }

  /** Takes what a slice has told, in the log's order. */
  async #hear(
    { inputs }: FinalComputation,
    name: string,
    entries: readonly DoorEntry[],
  ): Promise<EntryOutcome[]> {
    const chain = inputs.named(name);
    const sliceKey = this.#keys.sliceKey(chain.slice);
    const { outcomes, heard } = await takePartials(entries, chain, sliceKey, this.#contractId);
    this.#refusals.count(outcomes);
    for (const { facts } of heard) this.#uses.heard(facts);
    inputs.demandRoom();
    return outcomes;
  }

  /** Rows that were folded cannot be taken out: all that a window needs is read again without. */
  async #takeBack({ id, relation }: Dataset, batches: readonly number[]): Promise<void> {
    if (await this.#aggregator.rows.remove(id, batches)) return;
    for (const dataset of datasetsOf(this.#contract, relation)) {
      for (const stream of this.#streams.get(dataset.id)?.streams ?? []) stream.readAgain();
    }
  }

  /** Entries for owners about records that were refused; each may leave at once. */
  takeQuarantined(): DoorRecord[] {
    return this.#quarantine.take();
  }

  /**
   * Closes windows that are complete. The records belong into one transaction; there are none when
   * nothing could be closed.
   * @throws ERR_QUERY_FAILED, ERR_VAULT_MEMORY, ERR_LIMIT_EXCEEDED
   */
  async closeWindows(): Promise<{ closing: Closing; departure: Departure }> {
    const { records, emitted, more } = await this.#closeAll();
    await this.#computation.forget();
    const streams = this.#report();
    const { done } = this.#windows;
    const windows = emitted.length;
    if (!this.#teller) this.#uses.emitted(emitted);
    const queries = this.#windows.report();
    const aggregates = this.#teller ? 0 : records.filter(beginsResult).length;
    const closing = { windows, aggregates, more, done, streams, queries };
    const isNews = records.length > 0 || done !== this.#committedDone;
    this.#committedDone = done;
    if (!isNews) return { closing, departure: { records: [] } };
    return { closing, departure: await this.#departWithCheckpoint(records) };
  }

  #report(): StreamProgress[] {
    if (this.#final) return this.#final.inputs.report();
    return streamsIn(this.#streams).map((stream) => stream.report());
  }

  async #closeAll() {
    const seeds = new NoiseSeeds(this.#keys.noiseSecret(), this.#contractId);
    if (this.#teller) {
      return await this.#computation.closeSlice(this.#teller, this.#sealing(), seeds);
    }
    const emission = { proof: this.#proof(), checkpoint: this.#steps.sequence };
    if (this.#final) return await this.#final.close(emission, seeds);
    return await this.#computation.close(emission, seeds);
  }

  #sealing(): Sealing {
    return { epoch: this.#epoch, sliceKey: this.#keys.sliceKey(this.#slice ?? 0) };
  }

  /** A record with the present state, sealed. */
  checkpoint(): Promise<Departure> {
    return this.#departWithCheckpoint([]);
  }

  /** Records and the checkpoint that covers them belong into one transaction. */
  async #departWithCheckpoint(results: readonly DoorRecord[]): Promise<Departure> {
    const uses = this.#teller
      ? this.#teller.tellFacts(this.#uses.take(), this.#sealing())
      : await this.#uses.seal(() => this.#proof(), this.#steps.sequence);
    const counts = await this.#quarantine.counts(() => this.#proof());
    const state = {
      epoch: this.#epoch,
      streams: streamsIn(this.#streams).flatMap((stream) => stream.state() ?? []),
      ...this.#windows.state(),
      ...(this.#teller ? this.#teller.state() : this.#uses.state()),
    };
    return this.#steps.leave([...results, ...uses, ...counts], state, this.#keys.stateKey());
  }

  /**
   * An owner has ended or amended the contract: forgets keys and rows, and says how far it came. A
   * vault that slept says nothing: others have come further, and told their owners so.
   * @throws ERR_LEASE_INVALID unless it is that owner's word; ERR_LEASE_LOST where another vault
   *   held the lease
   */
  async stop(statement: StatementOf): Promise<DoorRecord[]> {
    const revocation = await this.#leases.openRevocation(statement);
    const { owner, at, successor, contract } = revocation;
    this.#keys.destroy();
    if (this.#leases.forget()) this.#uses.withdraw();
    this.close();
    // The worker that tells results says it, and keeps the ledgers of uses.
    if (this.#teller) return [];
    if (!this.#leases.isMine(revocation)) throw new StrongroomError('ERR_LEASE_LOST', { contract });
    const streams = streamsIn(this.#streams).flatMap((stream) => countedIn(stream.state()));
    const follows = successor === undefined ? {} : { successor };
    const stop = { stoppedBy: owner, at, ...follows, streams };
    const jws = await signStopNotice(this.#proof(), stop);
    const notice = this.#plainRecord(RECORD_TYPES.notice, `${this.#epoch}`, jws);
    this.#uses.stopped(stop);
    return [notice, ...(await this.#uses.seal(() => this.#proof(), this.#steps.sequence))];
  }

  /** @throws ERR_STREAM_TRUNCATED when owners' manifests name more than was there */
  finish(): void {
    for (const stream of streamsIn(this.#streams)) stream.checkWhole();
    this.#final?.inputs.checkWhole();
  }

  /**
   * Evidence on demand: what this vault says about itself now.
   * @throws ERR_CHALLENGE_MALFORMED, ERR_TOKEN_INVALID before the start was proven
   */
  async evidence(nonce: string): Promise<StatementAnswer> {
    return await answerChallenge(nonce, {
      claims: this.#keys.claims,
      signer: this.#keys.signer,
      epoch: this.#epoch,
      startupProof: this.#demandProof(),
      streams: streamsIn(this.#streams),
      refusals: this.#refusals,
    });
  }

  close(): void {
    this.#aggregator.close();
  }

  #proof(): ResultProof {
    return {
      contract: this.#contract,
      contractId: this.#contractId,
      signer: this.#keys.signer,
      epoch: this.#epoch,
      token: proofHash(this.#demandProof()),
    };
  }

  #demandProof(): string {
    if (this.#attestationProof === undefined) throw new StrongroomError('ERR_TOKEN_INVALID');
    return this.#attestationProof;
  }

  #plainRecord(type: RecordType, id: string, text: string): DoorRecord {
    const shape = plainRecordShape(this.#contractId, type, id);
    return { key: shape.key, headers: shape.headers, value: new TextEncoder().encode(text) };
  }
}
