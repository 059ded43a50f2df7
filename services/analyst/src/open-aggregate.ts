import assert from 'node:assert/strict';
import type { TokenShelf } from '@strongroom/attestation/token-shelf';
import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import type { SavedRecord } from '@strongroom/protocol/saved-result';
import type {
  AggregateContent,
  AggregateSeal,
  CountedInput,
} from '@strongroom/protocol/sealed-aggregate';
import { isWindowOf } from '@strongroom/protocol/windows';
import type { LogEntry } from '@strongroom/record-log/log';
import type { Reader } from '@strongroom/sealing/identity-file';
import {
  claimedAggregate,
  type OpenedAggregate,
  openPart,
  openParts,
  type VerifiedPart,
  verifyPart,
} from '@strongroom/sealing/open-aggregate';
import { Table, tableFromIPC } from 'apache-arrow';
import type { History } from './history.ts';
import type { PartShelf } from './part-shelf.ts';
import type { HeldReceipt, ReceiptShelf } from './receipt-shelf.ts';
import { columnsOf, type ResultColumn } from './result-columns.ts';

/** A result that was proven and opened, and what it was proven with. */
export interface VerifiedResult {
  /** As they lay on the log, sealed: all parts, in their order. */
  readonly records: readonly SavedRecord[];
  readonly contract: Contract;
  readonly seal: AggregateSeal;
  readonly content: AggregateContent;
  /** What each stream contributed. */
  readonly inputs: readonly CountedInput[];
  readonly proof: WorkerProof;
  /** Of the worker that made it. */
  readonly receipts: readonly HeldReceipt[];
  readonly table: Table;
  readonly columns: readonly ResultColumn[];
}

/** What opening needs to know and remembers from record to record. */
export interface Opener {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly identity: Reader;
  readonly queries: readonly Query[];
  readonly tokens: TokenShelf;
  readonly receipts: ReceiptShelf;
  readonly history: History;
  readonly parts: PartShelf<ReadPart<LogEntry>>;
  readonly tryAll?: boolean;
}

/** A part that was verified, and where it comes from. */
export interface ReadPart<Place extends SavedRecord = SavedRecord> extends VerifiedPart {
  readonly record: Place;
}

/**
 * One record: token -> key -> signature -> contract; and when it is the last part of a result: open
 * -> table -> history.
 * @returns undefined for a record for somebody else or another query, for a repetition, and while
 *   more parts have to come
 * @throws what `TokenShelf.proofOf`, sealing's `verifyPart` and `openParts`, `PartShelf.add` and
 *   `History.admit` throw; ERR_AGGREGATE_MALFORMED when the content is not what the seal says
 */
export async function openAggregateEntry(
  entry: LogEntry,
  opener: Opener,
): Promise<VerifiedResult | undefined> {
  const claimed = claimedAggregate(entry);
  const query = opener.queries.find((each) => each.id === claimed.query);
  if (!query) return undefined;
  if (claimed.reader !== opener.identity.party) {
    if (opener.tryAll) await tryForeign(entry, claimed.reader, opener);
    return undefined;
  }
  const proof = opener.tokens.proofOf(claimed.token);
  const part = await verifyProven(entry, opener.identity.party, proof, opener);
  checkSeal(part.seal, query, opener.contract);
  if (opener.history.has(part.seal)) return undefined;
  const parts = opener.parts.add(part);
  if (!parts) return undefined;
  const result = await openProven(parts, proof, opener);
  return opener.history.admit(result.seal) === 'repeated' ? undefined : result;
}

/** One record beside the proof that it names. @throws what sealing's `verifyPart` throws */
export async function verifyProven<Place extends SavedRecord>(
  record: Place,
  reader: PartyId,
  proof: WorkerProof,
  { contract, contractId }: Pick<Opener, 'contract' | 'contractId'>,
): Promise<ReadPart<Place>> {
  const by = { aggregateKey: proof.aggregatesKey, tokenSha256: proof.token };
  return { ...(await verifyPart(record, { contract, contractId, reader, ...by })), record };
}

/** All parts of a result, whatever stands before them on the log. @throws as above */
export async function openProven(
  parts: readonly ReadPart[],
  proof: WorkerProof,
  opener: Pick<Opener, 'contract' | 'identity' | 'receipts'>,
): Promise<VerifiedResult> {
  const { contract, identity } = opener;
  const opened = await openParts(parts, { contract, ...readerOf(identity, identity.party) });
  const { seal, content, inputs } = opened;
  const rows = tableOf(opened);
  const receipts = opener.receipts.of(proof.transportKeySha256);
  const records = parts.map(({ record }) => record);
  return { records, contract, seal, content, inputs, proof, receipts, ...rows };
}

function readerOf({ party, reader: secretReader }: Reader, reader: PartyId) {
  if (!secretReader) throw new StrongroomError('ERR_NOT_A_READER', { party });
  return { reader, secretReader };
}

/**
 * Does what a curious party could do: it claims to be the reader and uses the key it has. The
 * secret was wrapped to another key, so that this ends in ERR_NOT_A_READER.
 */
async function tryForeign(entry: LogEntry, reader: PartyId, opener: Opener): Promise<void> {
  const proof = opener.tokens.proofOf(claimedAggregate(entry).token);
  try {
    const part = await verifyProven(entry, reader, proof, opener);
    await openPart(part, readerOf(opener.identity, reader));
  } catch (error) {
    const sealed = error instanceof StrongroomError && error.facts['part'] === 'segment';
    if (!sealed && codeOf(error) !== 'ERR_NOT_A_READER') throw error;
    throw new StrongroomError('ERR_NOT_A_READER', { party: opener.identity.party, reader });
  }
  assert.fail('a result opened with a key that it was not sealed to');
}

/** JavaScript's dates end there; a window beyond could not be shown. */
const MILLISECONDS_SHOWN_MAX = 8.64e15;

/** What the contract says about every result of this query. */
export function checkSeal(seal: AggregateSeal, query: Query, contract: Contract): void {
  const { window, inputs } = seal;
  const farthest = Math.max(...[window?.start ?? 0, window?.end ?? 0].map(Math.abs));
  const isShown = farthest <= MILLISECONDS_SHOWN_MAX;
  if (!isShown || !isWindowOf(query.window, window)) throw malformed(seal, 'window');
  const known = new Set<string>(contract.datasets.map((dataset) => dataset.id));
  if (inputs.some((input) => !known.has(input.dataset))) throw malformed(seal, 'inputs');
}

function tableOf({ arrow, content, seal }: OpenedAggregate) {
  if (content.withheld) return { table: new Table(), columns: [] };
  let table: Table;
  let columns: ResultColumn[];
  try {
    table = tableFromIPC(arrow);
    columns = columnsOf(table);
  } catch {
    throw malformed(seal, 'content');
  }
  if (table.numRows !== content.rows) throw malformed(seal, 'rows');
  return { table, columns };
}

function malformed({ query, emission }: AggregateSeal, part: string): StrongroomError {
  return new StrongroomError('ERR_AGGREGATE_MALFORMED', { query, emission, part });
}
