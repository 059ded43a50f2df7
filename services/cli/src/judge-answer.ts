import { createHash } from 'node:crypto';
import {
  appraisalPolicyFor,
  appraiseEvidence,
  type Mismatch,
  type Verdict,
} from '@strongroom/attestation/appraise';
import type { RootSet } from '@strongroom/attestation/roots';
import { type Revocation, verifyEvidence } from '@strongroom/attestation/verify';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { type Contract, streamsOf } from '@strongroom/protocol/contract';
import { ERRORS, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import {
  type EvidenceAnswer,
  EvidenceAnswerSchema,
  EvidenceClaimsSchema,
  type EvidenceStatement,
} from '@strongroom/protocol/evidence-answer';
import type { ContractId } from '@strongroom/protocol/fields';
import type { SigningKey } from '@strongroom/protocol/public-key';
import { streamsOfSlice } from '@strongroom/protocol/slices';
import type { Clock } from '@strongroom/runtime/clock';
import { verifyStatement } from '@strongroom/sealing/verify';
import { type Start, verifyStart } from './verify-start.ts';

/** The question that was asked, and what an answer is held to. */
export interface Question {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly nonce: string;
  /** `clock.monotonic()` when the nonce was made. */
  readonly askedAt: number;
  readonly ageMsMax: number;
  readonly roots: RootSet;
  /** Without it no revocation list is looked at. */
  readonly revocation?: Revocation;
  readonly clock: Clock;
}

/** Everything that is wrong with an answer; what could be verified of it, and nothing else. */
export interface Judgement {
  readonly accepted: boolean;
  readonly mismatches: readonly Mismatch[];
  /** Genuine evidence, and what is to be said about it. */
  readonly verdict?: Verdict;
  /** Signed by the key that this evidence binds. */
  readonly statement?: EvidenceStatement;
  /** What authorities said when this worker began. */
  readonly start?: Start;
}

/**
 * Judges an answer by the raw evidence in it: nobody's word is taken for where and what the worker
 * is. Evidence -> key -> statement; evidence -> same key at the start -> since when.
 */
export async function judgeAnswer(value: unknown, question: Question): Promise<Judgement> {
  const mismatches: Mismatch[] = [];
  const attempt = async <Result>(claim: string, step: () => Result | Promise<Result>) => {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof StrongroomError)) throw error;
      mismatches.push(mismatchOf(claim, error));
      return undefined;
    }
  };
  const answer = await attempt('answer', () => parseAnswer(value));
  const verified = answer && (await attempt('evidence', () => verify(answer.evidence, question)));
  if (!answer || !verified) return { accepted: false, mismatches };
  const verdict = appraise(verified, question);
  if (!verdict.accepted) mismatches.push(...verdict.mismatches);
  const aggregateKey = aggregateKeyIn(verified.facts.runtimeClaims);
  // Without a key there is no statement; the appraisal has said why.
  if (!aggregateKey) return { accepted: false, mismatches, verdict };
  const statement = await attempt('statement', () =>
    verifyStatement(answer.statement, aggregateKey),
  );
  if (statement) mismatches.push(...statementMismatches(statement, answer, question));
  const start = await attempt('startupProof', () =>
    verifyStart(answer.startupProof, aggregateKey, question),
  );
  return {
    accepted: mismatches.length === 0,
    mismatches,
    verdict,
    ...(statement === undefined ? {} : { statement }),
    ...(start === undefined ? {} : { start }),
  };
}

function parseAnswer(value: unknown): EvidenceAnswer {
  const parsed = EvidenceAnswerSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const check = parsed.error.issues[0]?.path.map(String).join('.') || 'members';
  throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check });
}

async function verify(evidence: Evidence, { roots, clock, revocation }: Question) {
  const lists = await revocation?.listsFor(evidence);
  return verifyEvidence(evidence, { roots, clock, ...lists });
}

function appraise(
  verified: ReturnType<typeof verifyEvidence>,
  { contract, contractId, nonce, askedAt, ageMsMax, clock }: Question,
): Verdict {
  const now = clock.monotonic();
  const challenge = { nonce, issuedAt: askedAt, now, ageMsMax, onDemand: true } as const;
  return appraiseEvidence(verified, appraisalPolicyFor(contract, contractId), challenge);
}

/** Undefined for claims that are not those of an answer in their one form. */
function aggregateKeyIn(runtimeClaims: Uint8Array): SigningKey | undefined {
  try {
    const { kty, crv, x } = EvidenceClaimsSchema.parse(parseCanonical(runtimeClaims)).keys[0];
    return { kty, crv, x };
  } catch {
    return undefined;
  }
}

function statementMismatches(
  statement: EvidenceStatement,
  { startupProof }: EvidenceAnswer,
  { contract, contractId, nonce }: Question,
): Mismatch[] {
  const expected = {
    contract: contractId,
    nonce,
    token: createHash('sha256').update(startupProof).digest('hex'),
  };
  const mismatches = (['contract', 'nonce', 'token'] as const)
    .filter((name) => statement[name] !== expected[name])
    .map((name) => ({ claim: name, expected: expected[name], found: statement[name] }));
  const named = streamsMismatch(statement, contract);
  return [...mismatches, ...(named ? [named] : [])].map(({ claim, ...values }) => ({
    code: 'ERR_STATEMENT_INVALID',
    claim: `statement.${claim}`,
    ...values,
  }));
}

/** A worker speaks of every stream that it reads: all, those of its slice; none if it merges. */
function streamsMismatch({ streams: found }: EvidenceStatement, contract: Contract) {
  const read = (slice?: number) =>
    contract.datasets.flatMap((dataset) =>
      streamsOfSlice(streamsOf(dataset), contract, slice).map(({ id }) => ({
        dataset: dataset.id,
        id,
      })),
    );
  const { slices } = contract;
  const expected =
    slices === undefined
      ? [read()]
      : [[], ...Array.from({ length: slices }, (_none, at) => read(at))];
  const isOne = expected.some(
    (streams) =>
      streams.length === found.length &&
      streams.every(({ dataset, id }, at) => {
        const { stream = null } = found[at] ?? {};
        const isNamed = id === undefined || stream === null || stream === id;
        return found[at]?.dataset === dataset && isNamed;
      }),
  );
  if (isOne) return undefined;
  const text = (streams: readonly { readonly dataset: string }[]) =>
    streams.map(({ dataset }) => dataset).join(' ') || 'none';
  return { claim: 'streams', expected: expected.map(text).join(' or '), found: text(found) };
}

function mismatchOf(claim: string, error: StrongroomError): Mismatch {
  const facts = Object.entries(error.facts).map(([name, fact]) => `${name}: ${String(fact)}`);
  const { expected } = ERRORS[error.code];
  return { code: error.code, claim, expected, found: facts.join(', ') || 'otherwise' };
}

/** The code that a refusal ends with: the first one that says that trust is broken. */
export function codeOfRefusal(mismatches: readonly Mismatch[]): ErrorCode {
  const halting = mismatches.find(({ code }) => ERRORS[code].disposition === 'halt');
  return halting?.code ?? 'ERR_APPRAISAL_REFUSED';
}
