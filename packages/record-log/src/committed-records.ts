/**
 * What a read_committed reader may see of one partition's fetched records. A broker returns aborted
 * records too, with a list of the aborted transactions that overlap the fetch. kafkajs's own filter
 * takes a data record whose key is four zero bytes for an abort marker, opens at most one
 * transaction per record, and trusts the order of the list, which is the order of completion. So
 * records are filtered here, on what the record batches say of themselves.
 */

/** A record as it lies in the log, in the shape in which kafkajs decodes it. */
export interface FetchedRecord {
  readonly offset: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, HeaderValue>>;
  /** A mark of a transaction's end, not data. */
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

type HeaderValue = Uint8Array | string | null | undefined | readonly (Uint8Array | string)[];

export interface AbortedTransaction {
  readonly producerId: string;
  /** Offset of the transaction's first record in this partition. */
  readonly firstOffset: string;
}

/** Records at or after `position`, without marks and without what was aborted. */
export function committedRecords(
  records: readonly FetchedRecord[],
  aborted: readonly AbortedTransaction[],
  position: number,
): FetchedRecord[] {
  const waiting = aborted
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .sort((left, right) => left.firstOffset - right.firstOffset);
  const aborting = new Set<string>();
  const committed: FetchedRecord[] = [];
  for (const record of records) {
    const offset = Number(record.offset);
    while (waiting[0] !== undefined && waiting[0].firstOffset <= offset) {
      aborting.add(waiting[0].producerId);
      waiting.shift();
    }
    const { producerId, inTransaction } = record.batchContext;
    // A mark ends its producer's transaction whether it commits or aborts.
    if (record.isControlRecord) aborting.delete(producerId);
    else if (offset >= position && !(inTransaction && aborting.has(producerId))) {
      committed.push(record);
    }
  }
  return committed;
}

/** Where reading goes on: behind the last record that was fetched, whatever it was. */
export function positionAfter(records: readonly FetchedRecord[], position: number): number {
  const last = records.at(-1);
  return last === undefined ? position : Math.max(position, Number(last.offset) + 1);
}

/**
 * A header that occurs twice has all of its values in one text, which no single value equals: a
 * reader that demands an exact header refuses it.
 */
export function headersOf(record: FetchedRecord): Record<string, string> {
  const entries = Object.entries(record.headers ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, headerText(value)]));
}

function headerText(value: HeaderValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return textOf(value);
  return value.map((each) => headerText(each)).join('\n');
}

/** Bytes that are no UTF-8 become U+FFFD, and so equal nothing that a writer of ours writes. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
