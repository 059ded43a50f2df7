import { setTimeout as delay } from 'node:timers/promises';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import {
  dispositionOf,
  type ErrorCode,
  isErrorCode,
  StrongroomError,
} from '@strongroom/protocol/errors';
import type { EvidenceChallenge } from '@strongroom/protocol/evidence-answer';
import { EVIDENCE_ANSWER_BYTES_MAX } from '@strongroom/protocol/limits';
import {
  challengesTopic,
  evidenceRecordShape,
  evidenceTopic,
  RECORD_TYPES,
} from '@strongroom/protocol/record';
import { awaitTopic } from '@strongroom/record-log/await-topic';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { isObject } from './json.ts';

/** Two ways to a running worker. What comes back is anybody's: it is judged, never believed. */

/** What may be the answer, or somebody's word that there will be none. */
export type Reply =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly code: ErrorCode };

/**
 * @throws the worker's own code, ERR_SERVICE_UNREACHABLE, ERR_LIMIT_EXCEEDED
 */
export async function* askOverHttp(
  worker: string,
  challenge: EvidenceChallenge,
  signal: AbortSignal,
): AsyncGenerator<Reply> {
  const url = `${worker.replace(/\/$/, '')}/evidence`;
  const headers = { 'content-type': 'application/json' };
  const request = { method: 'POST', headers, body: canonicalBytes(challenge), signal } as const;
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, { ...request, redirect: 'error' });
    status = response.status;
    text = await boundedText(response);
  } catch (error) {
    if (error instanceof StrongroomError) throw error;
    throw new StrongroomError('ERR_SERVICE_UNREACHABLE', { url });
  }
  const value = parseJson(text);
  if (status === 200) {
    yield { kind: 'answer', value };
    return;
  }
  const inner = isObject(value) && isObject(value['error']) ? value['error']['code'] : undefined;
  throw new StrongroomError(isErrorCode(inner) ? inner : 'ERR_SERVICE_UNREACHABLE', {
    url,
    status,
  });
}

export async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > EVIDENCE_ANSWER_BYTES_MAX) {
      throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'EVIDENCE_ANSWER_BYTES_MAX' });
    }
  }
  return text;
}

/** A worker that begins meanwhile has not seen what was asked before. */
const ASK_AGAIN_MS = 5_000;

/** A log that fails, as one does whose topics were made this moment, is asked once more. */
const TRY_AGAIN_MS = 500;

/**
 * Replies until the signal comes: an answer that is refused does not end the waiting.
 * @throws ERR_LOG_* when the log still fails then
 */
export async function* askOverLog(
  log: RecordLog,
  namespace: string,
  challenge: EvidenceChallenge,
  signal: AbortSignal,
): AsyncGenerator<Reply> {
  let failure: unknown;
  while (!signal.aborted) {
    failure = undefined;
    try {
      yield* askOnce(log, namespace, challenge, signal);
    } catch (error) {
      if (dispositionOf(error) !== 'retry') throw error;
      failure = error;
      await delay(TRY_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  if (failure !== undefined) throw failure;
}

async function* askOnce(
  log: RecordLog,
  namespace: string,
  challenge: EvidenceChallenge,
  signal: AbortSignal,
): AsyncGenerator<Reply> {
  const { contract, nonce } = challenge;
  const challenges = challengesTopic(contract, namespace);
  const topic = evidenceTopic(contract, namespace);
  await awaitTopic(log, challenges, signal);
  const offset = await awaitTopic(log, topic, signal);
  if (offset === undefined) return;
  const shape = evidenceRecordShape(contract, 'challenge', nonce);
  const ask = () => log.append(challenges, [{ ...shape, value: canonicalBytes(challenge) }]);
  await ask();
  const again = setInterval(() => void ask().catch(() => undefined), ASK_AGAIN_MS);
  try {
    for await (const entries of log.read([{ topic, offset }], { signal })) {
      for (const entry of entries) {
        const reply = replyIn(entry, nonce);
        if (reply) yield reply;
      }
    }
  } finally {
    clearInterval(again);
  }
}

function replyIn({ key, headers, value }: LogEntry, nonce: string): Reply | undefined {
  const type = headers['ce_type'];
  if (value.length > EVIDENCE_ANSWER_BYTES_MAX) return undefined;
  const parsed = parseJson(new TextDecoder().decode(value));
  if (type === RECORD_TYPES.evidence && key === nonce) return { kind: 'answer', value: parsed };
  if (type !== RECORD_TYPES.evidenceRefusal || !isObject(parsed)) return undefined;
  const code = parsed['code'];
  const concerns = key === nonce || code === 'ERR_CHALLENGE_LIMIT';
  return concerns && isErrorCode(code) ? { kind: 'refusal', code } : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
