import { randomBytes } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type EvidenceChallenge,
  EvidenceChallengeSchema,
} from '@strongroom/protocol/evidence-answer';
import type { RecordLog } from '@strongroom/record-log/log';
import { askOverHttp, askOverLog, type Reply } from './ask-worker.ts';
import { type Judgement, judgeAnswer, type Question } from './judge-answer.ts';

/** Its own HTTP address, or the log. */
export type WayToWorker =
  | { readonly worker: string }
  | { readonly connect: () => Promise<RecordLog>; readonly namespace: string };

/** @throws ERR_USAGE for a nonce of another form */
export function challengeOf(
  contract: string,
  nonce = randomBytes(32).toString('base64url'),
): EvidenceChallenge {
  const challenge = EvidenceChallengeSchema.safeParse({ contract, nonce });
  if (challenge.success) return challenge.data;
  throw new StrongroomError('ERR_USAGE', { problem: '--nonce: base64url of 32 bytes' });
}

/** An answer as it came, and what is to be said about it. */
export interface JudgedAnswer {
  readonly judgement: Judgement;
  readonly answer: unknown;
}

/**
 * The first answer that is accepted: anybody can put a bad one before it, so only the end of the
 * waiting makes a refusal of it.
 * @throws ERR_EVIDENCE_UNANSWERED, what the way there throws
 */
export async function firstAccepted(
  challenge: EvidenceChallenge,
  question: Question,
  way: WayToWorker,
): Promise<JudgedAnswer> {
  const signal = AbortSignal.timeout(question.ageMsMax);
  let refused: JudgedAnswer | undefined;
  let hint: string | undefined;
  for await (const reply of repliesTo(challenge, way, signal)) {
    if (reply.kind === 'refusal') {
      hint = reply.code;
      continue;
    }
    const judged = { judgement: await judgeAnswer(reply.value, question), answer: reply.value };
    if (judged.judgement.accepted) return judged;
    refused = judged;
  }
  if (refused) return refused;
  const told = hint === undefined ? {} : { worker: hint };
  throw new StrongroomError('ERR_EVIDENCE_UNANSWERED', {
    seconds: question.ageMsMax / 1_000,
    ...told,
  });
}

async function* repliesTo(
  challenge: EvidenceChallenge,
  way: WayToWorker,
  signal: AbortSignal,
): AsyncGenerator<Reply> {
  if ('worker' in way) return yield* askOverHttp(way.worker, challenge, signal);
  const log = await way.connect();
  try {
    yield* askOverLog(log, way.namespace, challenge, signal);
  } finally {
    await log.close();
  }
}
