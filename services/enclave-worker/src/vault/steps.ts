import type { KeyObject } from 'node:crypto';
import type { Checkpoint } from '@strongroom/protocol/checkpoint';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import type { PreparedStep } from '@strongroom/protocol/prepared-step';
import { plainRecordShape, RECORD_TYPES } from '@strongroom/protocol/record';
import { CheckpointChain, checkpointHash, openCheckpoint } from './checkpoint.ts';
import type { DoorRecord, SealedStep } from './door.ts';
import type { Departure, Leases } from './leases.ts';
import { openPrepared, sealPrepared } from './prepared.ts';

/** Where a vault begins: behind a checkpoint, or at the beginning without any. */
export interface Start {
  readonly checkpoint: Checkpoint;
  /** Of the checkpoint that is on the log, when a step that was prepared goes on from it. */
  readonly before?: Checkpoint | undefined;
  /** The step that was prepared and may not have left: it leaves now, as it is. */
  readonly departure: Departure;
}

interface Opened {
  readonly checkpoint: Checkpoint;
  readonly head: string;
}

/**
 * Steps from one checkpoint to the next. Each is prepared before it leaves: its bytes are sealed
 * with the state key, and the worker writes them down before it asks an owner or tells anything. So
 * a step leaves as it was made, whichever vault lets it go, or it does not leave.
 */
export class Steps {
  readonly #contractId: ContractId;
  readonly #leases: Leases;
  readonly #chain: CheckpointChain;

  constructor(contractId: ContractId, leases: Leases) {
    this.#contractId = contractId;
    this.#leases = leases;
    this.#chain = new CheckpointChain(contractId);
  }

  /** Of the next checkpoint. */
  get sequence(): number {
    return this.#chain.sequence;
  }

  /** Records, and the checkpoint that covers them, on their way out. */
  async leave(
    records: readonly DoorRecord[],
    state: Omit<Checkpoint, 'v' | 'sequence' | 'previous' | 'contract'>,
    stateKey: KeyObject,
  ): Promise<Departure> {
    const { epoch } = state;
    const { sequence, head: from } = this.#chain;
    const contract = this.#contractId;
    const jwe = await this.#chain.seal({ ...state, contract }, stateKey);
    const shape = plainRecordShape(contract, RECORD_TYPES.checkpoint, `${epoch}.${sequence}`);
    const all = [...records, { ...shape, value: new TextEncoder().encode(jwe) }];
    const step = { from, to: this.#chain.head };
    const at = { epoch, checkpoint: sequence };
    const prepared = sealPrepared({ contract, ...step, records: all }, at, stateKey);
    return { ...(await this.#leases.hold(step, all, epoch)), prepared };
  }

  /**
   * Goes on from the newest of the checkpoints, and from the step that was prepared behind it. The
   * log may hold copies and forgeries: the newest is the one with the highest number that opens,
   * and that every lease allows.
   * @returns undefined at the very beginning
   * @throws ERR_CHECKPOINT_INVALID when there are some and none opens; ERR_LEASE_FORKED when the
   *   owners have agreed to more than the log holds
   */
  async resume(
    jwes: readonly string[],
    prepared: readonly SealedStep[],
    stateKey: KeyObject,
  ): Promise<Start | undefined> {
    const steps = await this.#openAll(prepared, stateKey);
    const start = await this.#newest(jwes, steps, stateKey);
    if (start) this.#chain.follow(start.checkpoint.sequence, start.head);
    else if (!this.#allows(this.#chain.head, steps)) {
      throw new StrongroomError('ERR_LEASE_FORKED', { contract: this.#contractId });
    }
    const { head } = this.#chain;
    const next = steps.find(({ from, to }) => from === head && this.#leases.allowsStep(from, to));
    if (!next) return start && { checkpoint: start.checkpoint, departure: { records: [] } };
    const checkpoint = await this.#follow(next, stateKey);
    const epoch = Math.max(checkpoint.epoch + 1, this.#leases.epoch);
    const departure = await this.#leases.hold(next, next.records, epoch);
    return { checkpoint, before: start?.checkpoint, departure };
  }

  /** The checkpoint of a prepared step, which must be the next one of the chain. */
  async #follow(step: PreparedStep, stateKey: KeyObject): Promise<Checkpoint> {
    const { sequence, head } = this.#chain;
    const record = step.records.find(({ headers }) => isCheckpoint(headers));
    const jwe = new TextDecoder().decode(record?.value);
    const checkpoint = await openCheckpoint(jwe, stateKey, this.#contractId);
    const isNext = checkpoint.sequence === sequence && checkpoint.previous === head;
    if (!isNext || checkpointHash(jwe) !== step.to) {
      throw new StrongroomError('ERR_CHECKPOINT_INVALID');
    }
    this.#chain.follow(sequence, step.to);
    return checkpoint;
  }

  async #newest(
    jwes: readonly string[],
    steps: readonly PreparedStep[],
    stateKey: KeyObject,
  ): Promise<Opened | undefined> {
    let newest: Opened | undefined;
    let opened = 0;
    for (const jwe of jwes) {
      const checkpoint = await openCheckpoint(jwe, stateKey, this.#contractId).catch(() => null);
      if (!checkpoint) continue;
      opened += 1;
      const head = checkpointHash(jwe);
      const isNewer = checkpoint.sequence > (newest?.checkpoint.sequence ?? -1);
      if (isNewer && this.#allows(head, steps)) newest = { checkpoint, head };
    }
    if (opened === 0 && jwes.length > 0) throw new StrongroomError('ERR_CHECKPOINT_INVALID');
    return newest;
  }

  /** What an owner may have confirmed was prepared before, so a log without it was cut. */
  #allows(head: string, steps: readonly PreparedStep[]): boolean {
    const next = steps.filter(({ from }) => from === head).map(({ to }) => to);
    return this.#leases.allowStart(head) || next.some((to) => this.#leases.allowsStep(head, to));
  }

  async #openAll(prepared: readonly SealedStep[], stateKey: KeyObject): Promise<PreparedStep[]> {
    const steps: PreparedStep[] = [];
    for (const sealed of prepared) {
      const step = await openPrepared(sealed, stateKey, this.#contractId).catch(() => null);
      if (step) steps.push(step);
    }
    return steps;
  }
}

function isCheckpoint(headers: DoorRecord['headers']): boolean {
  return headers['ce_type'] === RECORD_TYPES.checkpoint;
}
