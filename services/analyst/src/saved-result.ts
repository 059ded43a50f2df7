import { carriedLists } from '@strongroom/attestation/carried-lists';
import type { RootSet } from '@strongroom/attestation/roots';
import { createTokenShelf } from '@strongroom/attestation/token-shelf';
import type { Revocation } from '@strongroom/attestation/verify';
import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import type { Contract, SignedContract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { RECEIPTS_SAVED_MAX, TOKENS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import {
  parseSavedResult,
  type SavedRecord,
  writeSavedResult,
} from '@strongroom/protocol/saved-result';
import type { AggregateSeal } from '@strongroom/protocol/sealed-aggregate';
import type { Clock } from '@strongroom/runtime/clock';
import { sha256Hex } from '@strongroom/sealing/digest';
import type { Reader } from '@strongroom/sealing/identity-file';
import { checkParts, claimedAggregate } from '@strongroom/sealing/open-aggregate';
import { verifyContract } from '@strongroom/sealing/verify';
import {
  checkSeal,
  openProven,
  type ReadPart,
  type VerifiedResult,
  verifyProven,
} from './open-aggregate.ts';
import { receiptWords, type Words, workerWords } from './proof-text.ts';
import { createReceiptShelf, type HeldReceipt } from './receipt-shelf.ts';

/** Keeps what has to stand beside a result in a file. */
export interface RecordShelf {
  add(record: SavedRecord): void;
  /**
   * @param revocationList that the result's worker was held to, in DER
   * @returns undefined when the proof that the result names was not seen
   */
  fileOf(
    /** All parts, in their order. */
    result: readonly SavedRecord[],
    contract: SignedContract,
    revocationList?: Uint8Array,
  ): string | undefined;
}

export function createRecordShelf(): RecordShelf {
  const proofs = new Map<string, SavedRecord>();
  const receipts: SavedRecord[] = [];
  return {
    add(record) {
      const type = record.headers['ce_type'];
      if (type === RECORD_TYPES.token) proofs.set(sha256Hex(record.value), record);
      const [oldest] = proofs.keys();
      if (proofs.size > TOKENS_REMEMBERED_MAX && oldest !== undefined) proofs.delete(oldest);
      if (type === RECORD_TYPES.receipt) receipts.push(record);
      if (receipts.length > RECEIPTS_SAVED_MAX) receipts.shift();
    },
    fileOf(result, contract, list) {
      const [first] = result;
      const proof = first && proofs.get(claimedAggregate(first).token);
      if (!proof) return undefined;
      const revocationLists = list ? [list] : [];
      const records = [proof, ...receipts, ...result];
      return writeSavedResult({ contract, records, revocationLists });
    },
  };
}

/** What a saved result proves, and its rows for the one who holds their key. */
export interface CheckedResult {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly seal: AggregateSeal;
  readonly proof: WorkerProof;
  readonly receipts: readonly HeldReceipt[];
  /** Present when the reader's key was there. */
  readonly opened?: VerifiedResult;
}

export interface CheckOptions {
  readonly clock: Clock;
  /** By the contract that the file names. */
  readonly rootsFor: (contract: Contract) => RootSet;
  /** Lists that whoever checks has, beside those of the file. */
  readonly revocationLists?: readonly Uint8Array[];
  /** Instead of both: somebody who can be asked. */
  readonly revocation?: Revocation;
  readonly identity?: Reader;
}

/**
 * Checks a file without a log: contract -> token -> key -> signature -> contract, and opens the
 * rows where the key is there. Only that nothing is missing before the result cannot be seen in a
 * file.
 * @throws ERR_SAVED_RESULT, ERR_CONTRACT_*, ERR_NOT_A_READER for another party's key, and what
 *   reading from a log throws
 */
export async function checkSavedResult(text: string, options: CheckOptions) {
  const file = parseSavedResult(text);
  const { contract, contractId } = await verifyContract(file.contract);
  const roots = options.rootsFor(contract);
  const { clock } = options;
  const carried = [...file.revocationLists, ...(options.revocationLists ?? [])];
  const revocation = options.revocation ?? carriedLists(carried, clock);
  const at = { contract, contractId, roots, clock, revocation };
  const tokens = createTokenShelf(at);
  const receipts = createReceiptShelf(contract, contractId);
  for (const { headers, value } of file.records) {
    if (headers['ce_type'] === RECORD_TYPES.token) await tokens.add(value);
    if (headers['ce_type'] === RECORD_TYPES.receipt) await receipts.add(value);
  }
  const records = resultIn(file.records);
  const proof = tokens.proofOf(claimedAggregate(records[0]).token);
  const parts: ReadPart[] = [];
  for (const record of records) {
    const { reader } = claimedAggregate(record);
    parts.push(await verifyProven(record, reader, proof, { contract, contractId }));
  }
  const seal = checkParts(parts, { contract });
  checkSeal(seal, queryOf(contract, seal), contract);
  const { identity } = options;
  const held = receipts.of(proof.transportKeySha256);
  const checked: CheckedResult = { contract, contractId, seal, proof, receipts: held };
  if (!identity) return checked;
  if (identity.party !== seal.reader) {
    const { party } = identity;
    throw new StrongroomError('ERR_NOT_A_READER', { party, reader: seal.reader });
  }
  const opened = await openProven(parts, proof, { contract, identity, receipts });
  return { ...checked, opened };
}

/** All parts of the one result of a file. */
function resultIn(records: readonly SavedRecord[]): [SavedRecord, ...SavedRecord[]] {
  const results = records.filter(({ headers }) => headers['ce_type'] === RECORD_TYPES.aggregate);
  const [first, ...more] = results;
  if (!first) throw new StrongroomError('ERR_SAVED_RESULT', { place: 'records' });
  return [first, ...more];
}

/** `verifyPart` has refused a query that the contract does not have. */
function queryOf(contract: Contract, { query }: AggregateSeal) {
  const found = contract.queries.find(({ id }) => id === query);
  if (!found) throw new StrongroomError('ERR_AGGREGATE_MALFORMED', { part: 'query' });
  return found;
}

/** What holds of a saved result, and what a file cannot tell. */
export function checkedWords(checked: CheckedResult): { proven: Words[]; notProven: string[] } {
  const { contract, seal, proof, receipts, opened } = checked;
  const { enclave, parties } = contract;
  const window = seal.window && `${isoText(seal.window.start)} to ${isoText(seal.window.end)}`;
  const proven: Words[] = [
    ['result', `${seal.query} for ${seal.reader}, ${window ?? 'whole data'}`],
    ['agreed', `signed by ${parties.map(({ id }) => id).join(', ')}: ${contract.title}`],
    ...workerWords(proof),
    ['made in', `epoch ${seal.epoch}, checkpoint ${seal.checkpoint}, emission ${seal.emission}`],
    ...seal.inputs.map(
      ({ dataset, stream, sequences, head }): Words => [
        'input',
        `${dataset}: ${sequences} batches of stream ${stream}, up to seal ${head}`,
      ],
    ),
    ...receiptWords({ contract, receipts }),
    [
      'rows',
      opened ? rowsText(opened) : `sealed to ${seal.reader}: whoever holds its key opens them`,
    ],
  ];
  const notProven = [
    'That no result before it is missing and none came after: only the whole log shows the first.',
    'That owners sent all of their rows, or true ones.',
    'That the contract is the one you know: compare its id with your organisation.',
    ...(enclave.platform === 'simulated'
      ? ['Anything about hardware: the platform is SIMULATED, and whoever has its keys can forge.']
      : []),
    ...(proof.isOwnVerified
      ? []
      : ['The raw evidence itself: the contract takes the word of its attestation authorities.']),
    ...revocationLimits(proof),
  ];
  return { proven, notProven };
}

function revocationLimits({ isOwnVerified, revocationList: list }: WorkerProof): string[] {
  if (!isOwnVerified) return [];
  if (!list)
    return ['That no authority of the machine was revoked: no revocation list came along.'];
  if (!list.hasEnded) return [];
  const ended = isoText(list.nextUpdate);
  return [`That no authority of the machine was revoked since ${ended}, when the list ended.`];
}

function rowsText({ content }: VerifiedResult): string {
  if (content.withheld) return `withheld (${content.withheld})`;
  const { rows, suppressedGroups } = content;
  return `${rows} opened, ${suppressedGroups} groups withheld`;
}

function isoText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
