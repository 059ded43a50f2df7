import { revocationFacts, revocationText } from '@strongroom/attestation/revocation-words';
import type { Tcb } from '@strongroom/attestation/snp/tcb';
import { type Contract, datasetOf } from '@strongroom/protocol/contract';
import { printable } from '@strongroom/runtime/printable';
import type { Judgement, Question } from './judge-answer.ts';

/** What stands behind an answer, for `--json`. Facts that were not verified are not there. */
export function evidenceFacts(
  judgement: Judgement,
  { contract, contractId, nonce, clock }: Question,
) {
  const { accepted, mismatches, statement, start } = judgement;
  return {
    accepted,
    mismatches,
    nonce,
    contract: { id: contractId, title: contract.title, version: contract.version },
    ...(judgement.verdict === undefined
      ? {}
      : machineFacts(judgement.verdict, contract, clock.now())),
    ...(start === undefined
      ? {}
      : { since: new Date(start.at).toISOString(), attestedBy: start.issuers }),
    ...(statement === undefined
      ? {}
      : { epoch: statement.epoch, counted: countedFacts(statement, contract) }),
    ...(statement === undefined ? {} : { refusals: statement.refusals }),
  };
}

function machineFacts(
  { evidence, openAdvisories }: NonNullable<Judgement['verdict']>,
  { enclave }: Contract,
  now: number,
) {
  const { facts } = evidence;
  const { report, tcb, vtpm, revocationList: list } = facts;
  const sha384 = hex(report.measurement);
  const reference = enclave.measurements.find(
    (each) =>
      each.sha384 === sha384 &&
      Object.entries(each.pcrs ?? {}).every(([index, pcr]) => vtpm?.pcrs[Number(index)] === pcr),
  );
  return {
    platform: facts.platform,
    product: facts.product,
    chip: hex(report.chipId),
    code: { name: reference?.name ?? null, measurement: sha384 },
    firmware: { current: report.currentFirmware, committed: report.committedFirmware },
    tcb,
    openAdvisories,
    revocationList: revocationFacts(list && { ...list, hasEnded: now > list.nextUpdate }),
  };
}

function countedFacts(statement: NonNullable<Judgement['statement']>, contract: Contract) {
  return statement.streams.map((each) => ({
    owner: datasetOf(contract, each.dataset).owner,
    ...each,
  }));
}

type Facts = ReturnType<typeof evidenceFacts>;

/** The same for a person, one line a fact. */
export function evidenceLines(facts: Facts): string[] {
  const verdict = facts.accepted
    ? 'yes: fresh evidence shows the code and the machine that the contract asks for'
    : 'NO: this is not what the contract asks for';
  const lines = evidenceWords(facts).map(([label, text]) => `${label.padEnd(10)}${text}`);
  return [verdict, ...lines];
}

type Words = [label: string, text: string];

/** Behind the verdict: labels of nine letters at most, and what stands beside them. */
export function evidenceWords(facts: Facts): Words[] {
  const { contract, nonce, mismatches } = facts;
  const words: Words[] = [
    ['contract', `"${contract.title}", version ${contract.version}, ${contract.id}`],
    ...machineWords(facts),
    ...startWords(facts),
    ...countedWords(facts),
    ['nonce', `${nonce}`],
    ...mismatches.map(
      ({ code, claim, expected, found }): Words => [
        'mismatch',
        `${code} ${claim}: expected ${expected}; found ${found}`,
      ],
    ),
  ];
  return words.map(([label, text]) => [label, printable(text)]);
}

function machineWords({
  platform,
  product,
  chip,
  code,
  firmware,
  tcb,
  openAdvisories,
  revocationList = null,
}: Facts): Words[] {
  if (!tcb || !code || !firmware) return [['where', 'unknown: the evidence is not genuine']];
  const hardware = platform === 'simulated' ? ' (NOT HARDWARE: proves nothing)' : '';
  const advisories = (openAdvisories ?? []).map(({ name, id }) => `${name} (${id})`);
  return [
    ['where', `SEV-SNP guest, ${platform} ${product}${hardware}, chip ${chip?.slice(0, 16)}…`],
    ['code', `${code.name ?? 'UNKNOWN'}, measurement ${code.measurement}`],
    [
      'firmware',
      `SNP ${versionText(firmware.current)}, committed ${versionText(firmware.committed)}`,
    ],
    ['versions', `now ${tcbText(tcb.current)}; at launch ${tcbText(tcb.launch)}`],
    ['open', `${advisories.join(', ') || 'no advisory that we know'}`],
    ['revoked', revocationText(revocationList)],
  ];
}

function startWords({ since, attestedBy }: Facts): Words[] {
  if (since === undefined || attestedBy === undefined) return [];
  return [['since', `${since}, by the clock of ${attestedBy.join(', ')}`]];
}

function countedWords({ epoch, counted, refusals }: Facts): Words[] {
  if (epoch === undefined || !counted || !refusals) return [];
  const refused = Object.entries(refusals).map(([code, count]) => `${code} ${count}`);
  return [
    ['epoch', `${epoch}`],
    ...counted.map(({ dataset, stream, owner, rows, sequences, final }): Words => {
      const isOne = counted.filter((each) => each.dataset === dataset).length === 1;
      const of = `${dataset}${isOne ? '' : ` (${stream})`} of ${owner}`;
      const end = final ? ', all there is' : '';
      return ['counted', `${of}: ${rows} rows in ${sequences} batches${end}`];
    }),
    ['refused', `${refused.join(', ') || 'nothing'}`],
  ];
}

function versionText({ major, minor, build }: { major: number; minor: number; build: number }) {
  return `${major}.${minor}.${build}`;
}

function tcbText({ fmc, bootLoader, tee, snp, microcode }: Tcb): string {
  const first = fmc === null ? '' : `fmc ${fmc} `;
  return `${first}boot loader ${bootLoader} tee ${tee} snp ${snp} microcode ${microcode}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
