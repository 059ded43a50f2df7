import { revocationFacts, revocationText } from '@strongroom/attestation/revocation-words';
import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import { datasetOf } from '@strongroom/protocol/contract';
import type { VerifiedResult } from './open-aggregate.ts';
import { ownersWithoutReceipt } from './receipt-shelf.ts';

/** What stands behind one result, for `--json`. */
export function proofFacts(result: VerifiedResult) {
  const { seal, proof } = result;
  return {
    token: {
      sha256: proof.token,
      issuers: proof.issuers,
      issuedAt: new Date(proof.issuedAt).toISOString(),
    },
    evidence: proof.isOwnVerified ? 'verified by this reader' : 'not demanded',
    revocationList: revocationFacts(proof.revocationList),
    platform: proof.platform,
    measurement: { name: proof.measurementName, sha384: proof.measurement },
    contract: proof.contract,
    epoch: seal.epoch,
    checkpoint: seal.checkpoint,
    inputs: inputsByOwner(result),
    receipts: result.receipts,
    ownersWithoutReceipt: ownersWithoutReceipt(result.contract, result.receipts),
  };
}

export interface OwnerInput {
  readonly owner: string;
  readonly streams: number;
  /** Sealed batches that had been counted when the result was made. */
  readonly batches: number;
  /** Rows inside the window; null where noise hides them. */
  readonly rows: number | null;
  readonly lateRows: number | null;
  /** Of batches that the owner took back. */
  readonly retractedRows: number;
}

const NOTHING = { streams: 0, batches: 0, rows: 0, lateRows: 0, retractedRows: 0 };

/** Sums the input manifest per owner, in the contract's order of datasets. */
function inputsByOwner({ inputs, contract }: VerifiedResult): OwnerInput[] {
  const owners = new Map<string, OwnerInput>();
  for (const input of inputs) {
    const { owner } = datasetOf(contract, input.dataset);
    const sum = owners.get(owner) ?? { owner, ...NOTHING };
    owners.set(owner, {
      owner,
      streams: sum.streams + 1,
      batches: sum.batches + input.sequences,
      rows: total(sum.rows, input.rows),
      lateRows: total(sum.lateRows, input.lateRows),
      retractedRows: sum.retractedRows + input.retractedRows,
    });
  }
  return [...owners.values()];
}

/** Of which one is hidden, the sum is too. */
function total(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

/** One fact for a person: what it is about, and what is said. */
export type Words = readonly [label: string, text: string];

/** The same for a person, one line a fact. */
export function proofLines(result: VerifiedResult): string[] {
  return proofWords(result).map(([label, text]) => `${label.padEnd(LABEL_CHARACTERS)}${text}`);
}

const LABEL_CHARACTERS = 10;

export function proofWords(result: VerifiedResult): Words[] {
  const { proof, seal } = result;
  return [
    ['verified', 'token -> key -> signature -> contract, then opened; no gap, no older epoch'],
    ...workerWords(proof),
    ['made in', `epoch ${seal.epoch}, checkpoint ${seal.checkpoint}, emission ${seal.emission}`],
    ...inputsByOwner(result).map((input): Words => ['input', inputText(input)]),
    ...receiptWords(result),
  ];
}

/** What is proven of the worker, whatever it made. */
export function workerWords(proof: WorkerProof): Words[] {
  const hardware = proof.platform === 'simulated' ? ' (NOT HARDWARE: proves nothing)' : '';
  const issued = new Date(proof.issuedAt).toISOString();
  return [
    ['token', `issued by ${proof.issuers.join(' and ')} at ${issued}, sha256 ${proof.token}`],
    ['evidence', proof.isOwnVerified ? 'verified here too' : 'not looked at: not demanded'],
    [
      'revoked',
      proof.isOwnVerified
        ? revocationText(revocationFacts(proof.revocationList))
        : 'not looked at here: the authorities answer for it',
    ],
    ['platform', `${proof.platform}${hardware}`],
    ['code', `${proof.measurementName}, measurement ${proof.measurement}`],
    ['contract', proof.contract],
  ];
}

export function receiptWords({
  contract,
  receipts,
}: Pick<VerifiedResult, 'contract' | 'receipts'>): Words[] {
  const without = ownersWithoutReceipt(contract, receipts);
  return [
    ...receipts.map(
      ({ owner, key, sequence }): Words => [
        'receipt',
        `${owner}: released ${key}, audit entry ${sequence}`,
      ],
    ),
    ...without.map(
      (owner): Words => ['receipt', `${owner}: NONE on the log; ask it for its audit log`],
    ),
  ];
}

function inputText({ owner, streams, batches, rows, lateRows, retractedRows }: OwnerInput): string {
  const late = lateRows ? `, ${lateRows} rows came too late so far` : '';
  const back = retractedRows > 0 ? `, ${retractedRows} rows were taken back so far` : '';
  const sent = `${streams} ${streams === 1 ? 'stream' : 'streams'}, ${batches} batches`;
  const counted = rows === null ? 'rows hidden by noise' : `${rows} rows of the window`;
  return `${owner}: ${counted}, ${sent}${late}${back}`;
}
