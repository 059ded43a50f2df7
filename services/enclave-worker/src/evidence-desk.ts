import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { EvidenceAnswer, EvidenceChallenge } from '@strongroom/protocol/evidence-answer';
import type { ContractId } from '@strongroom/protocol/fields';
import { ANSWERS_PER_MINUTE_MAX, CHALLENGES_WAITING_MAX } from '@strongroom/protocol/limits';
import type { Clock } from '@strongroom/runtime/clock';
import type { Metrics } from '@strongroom/runtime/metrics';
import { Tick } from './tick.ts';

/** Who answers while a life of the worker lasts. */
export interface Answerer {
  readonly contractId: ContractId;
  /** An answer waits until the vault has time: when it comes would tell how busy it was. */
  readonly tickMs: number;
  answer(challenge: EvidenceChallenge): Promise<EvidenceAnswer>;
}

/** The ways on which challenges come; each has an allowance of its own. */
export type Way = 'http' | 'log';

/**
 * Where challenges are handed in, whatever their way. Strangers may send as many as they like: few
 * are answered a minute, one after the other, few wait, and the computation does not notice.
 */
export class EvidenceDesk {
  readonly allowances: Readonly<Record<Way, Allowance>>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #counter: ReturnType<typeof challengesOf>;
  #answerer: Answerer | undefined;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Pick<Clock, 'monotonic'>, metrics: Metrics) {
    this.#clock = clock;
    this.allowances = { http: new Allowance(clock), log: new Allowance(clock) };
    this.#counter = challengesOf(metrics);
  }

  open(answerer: Answerer): void {
    this.#answerer = answerer;
  }

  close(): void {
    this.#answerer = undefined;
  }

  count(way: Way, outcome: string, challenges = 1): void {
    this.#counter.inc({ way, outcome }, challenges);
  }

  /** @throws ERR_EVIDENCE_UNANSWERED, ERR_CONTRACT_MISMATCH, ERR_CHALLENGE_LIMIT, ERR_PLATFORM_* */
  async answer(way: Way, challenge: EvidenceChallenge): Promise<EvidenceAnswer> {
    const tick = new Tick(this.#answerer?.tickMs ?? 0, this.#clock.monotonic(), this.#clock);
    try {
      const answer = await this.#queue(challenge);
      await tick.next();
      this.count(way, 'answered');
      return answer;
    } catch (error) {
      this.count(way, codeOf(error) ?? 'ERR_INTERNAL');
      throw error;
    }
  }

  async #queue(challenge: EvidenceChallenge): Promise<EvidenceAnswer> {
    const answerer = this.#answerer;
    if (!answerer) throw new StrongroomError('ERR_EVIDENCE_UNANSWERED', { state: 'not ready' });
    if (challenge.contract !== answerer.contractId) {
      throw new StrongroomError('ERR_CONTRACT_MISMATCH', { expected: answerer.contractId });
    }
    if (this.#waiting >= CHALLENGES_WAITING_MAX) {
      throw new StrongroomError('ERR_CHALLENGE_LIMIT', { limit: 'CHALLENGES_WAITING_MAX' });
    }
    this.#waiting += 1;
    const answered = this.#last.then(() => answerer.answer(challenge));
    this.#last = answered.catch(() => undefined).finally(() => (this.#waiting -= 1));
    return answered;
  }
}

const MINUTE_MS = 60_000;

/** So many a minute, and as many at once when none came for a minute. */
class Allowance {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #left = ANSWERS_PER_MINUTE_MAX;
  #at: number;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#at = clock.monotonic();
  }

  /** @returns false when there is nothing left to take */
  take(): boolean {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#at) * ANSWERS_PER_MINUTE_MAX) / MINUTE_MS;
    this.#left = Math.min(ANSWERS_PER_MINUTE_MAX, this.#left + earned);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** How long until there is one to take, in milliseconds. */
  get pauseMs(): number {
    return Math.ceil((Math.max(0, 1 - this.#left) * MINUTE_MS) / ANSWERS_PER_MINUTE_MAX);
  }
}

const challengesOf = (metrics: Metrics) => metrics.counter('strongroom_worker_challenges_total');
