import { carriedLists } from '@strongroom/attestation/carried-lists';
import { readListFile } from '@strongroom/attestation/platforms/list-file';
import type { Revocation } from '@strongroom/attestation/verify';
import { partyOf } from '@strongroom/protocol/contract';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import {
  listsOfBundle,
  type ProofBundle,
  parseProofBundle,
} from '@strongroom/protocol/proof-bundle';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile } from '@strongroom/runtime/files';
import { printable } from '@strongroom/runtime/printable';
import { verifyChain } from '@strongroom/sealing/amendment';
import type { VerifiedContract } from '@strongroom/sealing/verify';
import { predecessorIn } from '../amendment-state.ts';
import { verifyAuditCopy } from '../audit-verdict.ts';
import { rootsFor } from '../evidence-platform.ts';
import { evidenceFacts, evidenceLines } from '../evidence-text.ts';
import { codeOfRefusal, judgeAnswer } from '../judge-answer.ts';
import { printResult } from '../leaf-command.ts';
import type { WorkerTrust } from '../owner-log.ts';
import { readCopy } from '../uses-copy.ts';

interface VerifyOptions {
  readonly simulatedRoots?: string;
  readonly revocationList?: readonly string[];
  readonly json?: boolean;
}

/**
 * `strongroom owner verify`: each part by the code of the command that reads it alone.
 * @throws ERR_PROOF_BUNDLE, and what is wrong with a part
 */
export async function verifyBundle(path: string, options: VerifyOptions): Promise<void> {
  const bundle = parseProofBundle(await readJsonFile(path));
  const chain = await verifyChain(bundle.contracts);
  const newest = predecessorIn(chain);
  const { contract, contractId } = newest;
  const roots = rootsFor(contract, options.simulatedRoots);
  const given = await Promise.all((options.revocationList ?? []).map(readListFile));
  const revocation = carriedLists(given, systemClock, listsOfBundle(bundle));
  const trust = { contract, contractId, roots, clock: systemClock, revocation };
  const audit = await auditIn(bundle, newest);
  const uses = bundle.uses && (await usesIn(bundle, trust));
  const evidence = bundle.evidence && (await evidenceIn(bundle.evidence, trust));
  const madeAt = new Date(bundle.madeAt).toISOString();
  const facts = { owner: bundle.owner, contract: contractId, madeAt, audit, uses, evidence };
  const lines = [
    `contract: "${contract.title}", version ${contract.version}, signed by all, ${contractId}`,
    audit
      ? `audit log: whole, ${audit.entries} entries of ${audit.owner}, root ${audit.root}`
      : 'audit log: not in it',
    uses
      ? `uses: one chain of ${uses.entries} entries by attested workers, head ${uses.head}`
      : 'uses: not in it',
    ...(evidence ? ['evidence:', ...evidence.lines.map((line) => `  ${line}`)] : NO_EVIDENCE),
    `not proven: that it was made at ${madeAt}, and that nothing newer exists`,
  ];
  const shown = { ...facts, ...(evidence ? { evidence: evidence.facts } : {}) };
  printResult(options.json, shown, lines.map(printable).join('\n'));
}

const NO_EVIDENCE = ['evidence: not in it'];

async function auditIn({ audit, owner }: ProofBundle, { contract }: VerifiedContract) {
  if (!audit) return undefined;
  const { id, keyRelease } = partyOf(contract, owner);
  const releaseKey = keyRelease?.lease?.statementKey ?? keyRelease?.releaseKey;
  if (!releaseKey) throw new StrongroomError('ERR_PROOF_BUNDLE', { place: 'owner' });
  const verdict = await verifyAuditCopy(audit, { owner: id, releaseKey }, { receipts: [] });
  return { owner: verdict.owner, entries: verdict.entries, root: verdict.root };
}

async function usesIn({ uses, owner }: ProofBundle, trust: WorkerTrust) {
  const chain = await readCopy(uses, trust);
  if (chain.owner !== owner) throw new StrongroomError('ERR_PROOF_BUNDLE', { place: 'uses.owner' });
  return { entries: chain.length, head: chain.head };
}

/** As fresh as its nonce was; how old that is, only the owner knows. */
async function evidenceIn(
  { nonce, askedAt, answer }: NonNullable<ProofBundle['evidence']>,
  trust: WorkerTrust & { readonly revocation: Revocation },
) {
  const question = {
    ...{ ...trust, nonce, askedAt: systemClock.monotonic(), ageMsMax: Number.MAX_SAFE_INTEGER },
    revocation: inForceAt(askedAt, trust.revocation),
  };
  const judgement = await judgeAnswer(answer, question);
  if (!judgement.accepted) {
    const mismatches = judgement.mismatches.map(({ claim }) => claim);
    const code: ErrorCode = codeOfRefusal(judgement.mismatches);
    throw new StrongroomError(code, { mismatches });
  }
  const facts = evidenceFacts(judgement, question);
  return { facts, lines: evidenceLines(facts) };
}

/** A list counts that was in force when its owner asked, as it says; when it ended is told. */
function inForceAt(since: number, revocation: Revocation): Revocation {
  return {
    listsFor: async (evidence) => {
      return { ...(await revocation.listsFor(evidence)), endedLists: { since } };
    },
  };
}
