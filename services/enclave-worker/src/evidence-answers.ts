import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf, ERRORS, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import {
  type EvidenceAnswer,
  EvidenceAnswerSchema,
  type EvidenceChallenge,
  type EvidenceRefusal,
  parseChallenge,
} from '@strongroom/protocol/evidence-answer';
import { RECORD_BYTES_MAX } from '@strongroom/protocol/limits';
import { challengesTopic, evidenceRecordShape, evidenceTopic } from '@strongroom/protocol/record';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import type { Answerer } from './evidence-desk.ts';
import { failureFields } from './failure-fields.ts';
import type { Life, WorkerOptions } from './life.ts';
import { collectEvidence } from './quote.ts';
import { tickMsOf } from './tick.ts';

/**
 * Evidence on demand beside the computation: a connection of its own to the log, plain appends
 * outside of the transactions, and no error that ends a life.
 */

/**
 * Answers challenges for as long as `work` lasts; those on the log where results are told, since
 * one challenge has one answer there: the worker of a slice is asked by HTTP.
 * @param from where the challenges began when this life did; earlier ones are somebody else's
 */
export async function answeringChallenges<Result>(
  life: Life,
  from: number,
  options: WorkerOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  const stop = new AbortController();
  options.evidence.open(answererOf(life, options));
  const isAsked = life.slice === undefined;
  const serving = isAsked && new LogDesk(life, options, stop.signal).serve(from);
  try {
    return await work();
  } finally {
    options.evidence.close();
    stop.abort();
    await serving;
  }
}

function answererOf({ contract, contractId, vault }: Life, options: WorkerOptions): Answerer {
  let platform: Platform | undefined;
  return {
    contractId,
    tickMs: tickMsOf(contract),
    async answer({ nonce }: EvidenceChallenge): Promise<EvidenceAnswer> {
      const { answer } = await vault.request('evidence', { nonce });
      platform ??= await options.platformFor(contractId);
      const evidence = await collectEvidence(platform, answer.runtimeClaims);
      const { statement, startupProof } = answer;
      return EvidenceAnswerSchema.parse({ v: 1, evidence, statement, startupProof });
    },
  };
}

const AGAIN_MS = 2_000;

class LogDesk {
  readonly #life: Life;
  readonly #options: WorkerOptions;
  readonly #signal: AbortSignal;
  readonly #topics: { readonly challenges: string; readonly evidence: string };

  constructor(life: Life, options: WorkerOptions, signal: AbortSignal) {
    this.#life = life;
    this.#options = options;
    this.#signal = signal;
    this.#topics = {
      challenges: challengesTopic(life.contractId, options.namespace),
      evidence: evidenceTopic(life.contractId, options.namespace),
    };
  }

  /** Until told to stop. A log that fails is connected to again, from where it then ends. */
  async serve(from: number): Promise<void> {
    let at: number | undefined = from;
    while (!this.#signal.aborted) {
      let log: RecordLog | undefined;
      try {
        log = await this.#options.connectLog();
        at ??= await log.endOffset(this.#topics.challenges);
        while (!this.#signal.aborted) at = await this.#serveFrom(log, at);
      } catch (error) {
        at = undefined;
        this.#options.logger.warn('challenges-unread', failureFields(error));
        await this.#pause(AGAIN_MS);
      } finally {
        await log?.close().catch(() => undefined);
      }
    }
  }

  /** @returns where to go on: what came meanwhile and was too much is passed over unread */
  async #serveFrom(log: RecordLog, at: number): Promise<number> {
    const from = [{ topic: this.#topics.challenges, offset: at }];
    const reading = { signal: this.#signal, maxBytes: 2 * RECORD_BYTES_MAX };
    let next = at;
    for await (const entries of log.read(from, reading)) {
      for (const entry of entries) {
        if (!this.#options.evidence.allowances.log.take()) return this.#drop(log, entry.offset);
        await this.#serveOne(log, entry);
        next = entry.offset + 1;
      }
    }
    return next;
  }

  async #drop(log: RecordLog, from: number): Promise<number> {
    const { evidence, logger } = this.#options;
    await this.#pause(evidence.allowances.log.pauseMs);
    const end = await log.endOffset(this.#topics.challenges);
    const dropped = Math.max(1, end - from);
    evidence.count('log', 'ERR_CHALLENGE_LIMIT', dropped);
    logger.warn('challenges-dropped', { code: 'ERR_CHALLENGE_LIMIT', count: dropped });
    await this.#refuse(log, 'ERR_CHALLENGE_LIMIT', 'dropped', dropped);
    return end;
  }

  async #serveOne(log: RecordLog, entry: LogEntry): Promise<void> {
    const { contractId } = this.#life;
    let answer: EvidenceAnswer;
    let nonce: string | undefined;
    try {
      const challenge = challengeOf(entry);
      nonce = challenge.nonce;
      answer = await this.#options.evidence.answer('log', challenge);
    } catch (error) {
      await this.#setAside(log, entry, codeOf(error) ?? 'ERR_EVIDENCE_UNANSWERED', nonce);
      return;
    }
    const shape = evidenceRecordShape(contractId, 'evidence', nonce);
    await log.append(this.#topics.evidence, [{ ...shape, value: canonicalBytes(answer) }]);
  }

  /** A bad challenge is counted; one that could not be answered is told so. */
  async #setAside(log: RecordLog, entry: LogEntry, code: ErrorCode, nonce?: string): Promise<void> {
    const { logger, evidence } = this.#options;
    logger.warn('challenge-refused', { code, offset: entry.offset });
    if (nonce === undefined) evidence.count('log', code);
    // What is no challenge was written by anybody: it is counted, and stays where it lies.
    if (ERRORS[code].disposition === 'quarantine') return;
    await this.#refuse(log, code, nonce ?? 'unknown', 1);
  }

  async #refuse(log: RecordLog, code: ErrorCode, id: string, challenges: number): Promise<void> {
    const refusal: EvidenceRefusal = { v: 1, code, challenges };
    const shape = evidenceRecordShape(this.#life.contractId, 'evidenceRefusal', id);
    await log.append(this.#topics.evidence, [{ ...shape, value: canonicalBytes(refusal) }]);
  }

  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

/** @throws ERR_CHALLENGE_MALFORMED, ERR_RECORD_HEADERS */
function challengeOf({ key, headers, value }: LogEntry): EvidenceChallenge {
  const challenge = parseChallenge(value);
  const shape = evidenceRecordShape(challenge.contract, 'challenge', challenge.nonce);
  if (!isDeepStrictEqual({ key, headers: { ...headers } }, shape)) {
    throw new StrongroomError('ERR_RECORD_HEADERS');
  }
  return challenge;
}
