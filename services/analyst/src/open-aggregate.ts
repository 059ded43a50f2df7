import assert from 'node:assert/strict';
import type { TokenShelf } from '@strongroom/attestation/token-shelf';
import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
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
  openAggregate,
} from '@strongroom/sealing/open-aggregate';
import { Table, tableFromIPC } from 'apache-arrow';
import type { History } from './history.ts';
import type { HeldReceipt, ReceiptShelf } from './receipt-shelf.ts';
import { columnsOf, type ResultColumn } from './result-columns.ts';

/** A result that was proven and opened, and what it was proven with. */
export interface VerifiedResult {
  /** As it lay on the log, sealed. */
  readonly record: LogEntry;
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
  readonly tryAll?: boolean;
}

/**
 * One record: token -> key -> signature -> contract -> open -> table -> history.
 * @returns undefined for a record for somebody else or another query, and for a repetition
 * @throws what `TokenShelf.proofOf`, sealing's `openAggregate` and `History.admit` throw;
 *   ERR_AGGREGATE_MALFORMED when the content is not what the seal says
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
  const { jws, ...result } = await openProven(entry, query, proof, opener);
  return opener.history.admit(result.seal, jws) === 'repeated' ? undefined : result;
}

/** One record beside its proof, whatever stands before it on the log. @throws as above */
export async function openProven(
  entry: LogEntry,
  query: Query,
  proof: WorkerProof,
  opener: Pick<Opener, 'contract' | 'contractId' | 'identity' | 'receipts'>,
): Promise<VerifiedResult & { readonly jws: string }> {
  const { contract } = opener;
  const opened = await open(entry, opener.identity.party, proof, opener);
  const { seal, jws, content, inputs } = opened;
  checkSeal(seal, query, contract);
  const rows = tableOf(opened);
  const receipts = opener.receipts.of(proof.transportKeySha256);
  return { record: entry, contract, seal, jws, content, inputs, proof, receipts, ...rows };
}

function open(
  entry: LogEntry,
  reader: PartyId,
  proof: WorkerProof,
  opener: Pick<Opener, 'contract' | 'contractId' | 'identity'>,
) {
  const { contract, contractId, identity } = opener;
  if (!identity.reader) {
    throw new StrongroomError('ERR_NOT_A_READER', { party: identity.party });
  }
  return openAggregate(entry, {
    contract,
    contractId,
    reader,
    secretReader: identity.reader,
    aggregateKey: proof.aggregatesKey,
    tokenSha256: proof.token,
  });
}

/**
 * Does what a curious party could do: it claims to be the reader and uses the key it has. The
 * secret was wrapped to another key, so that this ends in ERR_NOT_A_READER.
 */
async function tryForeign(entry: LogEntry, reader: PartyId, opener: Opener): Promise<void> {
  const proof = opener.tokens.proofOf(claimedAggregate(entry).token);
  try {
    await open(entry, reader, proof, opener);
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
