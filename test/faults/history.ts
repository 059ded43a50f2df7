/**
 * What happened in one schedule, as far as anybody could see it: who was told what, what lay on the
 * broker's disk in the end, what readers were shown, and what results said.
 */
export interface History {
  /** Writes that the log acknowledged to their writer, in the order of the acknowledgements. */
  readonly acknowledged: readonly Acknowledgement[];
  /** From the broker's disk, when all was over. */
  readonly stored: readonly Stored[];
  /** What readers of committed records were shown, in the order in which they were. */
  readonly polls: readonly Poll[];
  /** Every result on the disk, also of transactions that were aborted. */
  readonly results: readonly ResultCopy[];
  /** What verified results say of the rows, by query and window. */
  readonly counts: readonly Counts[];
  /** How many windows each query has, in the end. */
  readonly windows: Readonly<Record<string, number>>;
}

export interface Acknowledgement {
  /** One process or one client's life. */
  readonly writer: string;
  readonly topic: string;
  /** Fingerprints, in the order in which they were sent. */
  readonly values: readonly string[];
}

export interface Stored {
  readonly topic: string;
  readonly offset: number;
  readonly value: string;
  readonly state: 'committed' | 'aborted' | 'open';
  /** Where the record says that it stands in its writer's order: stream and number. */
  readonly place?: { readonly line: string; readonly number: number };
  /** The step of the computation that it belongs to: all of it is one transaction. */
  readonly step?: string;
}

export interface Poll {
  /** One reader from one start; the next start is another session. */
  readonly session: string;
  readonly topic: string;
  /** Where this session began. */
  readonly from: number;
  readonly entries: readonly { readonly offset: number; readonly value: string }[];
  /** The committed end, asked for after these entries were shown. */
  readonly end: number;
}

export interface ResultCopy {
  readonly query: string;
  readonly reader: string;
  /** The how manyth result of this query and reader. */
  readonly emission: number;
  /** Start of the window; null for the whole dataset. */
  readonly window: number | null;
  readonly offset: number;
  readonly value: string;
  readonly state: Stored['state'];
}

/** How often each row was counted in one result. */
export interface Counts {
  readonly query: string;
  readonly window: number | null;
  readonly expected: ReadonlySet<string>;
  /** By the row's name. */
  readonly found: ReadonlyMap<string, number>;
}

/** The words of Jepsen's checker for Kafka, and below them those of our own promises. */
export const ANOMALIES = [
  'lost-write',
  'duplicate',
  'G1a',
  'inconsistent-offsets',
  'poll-skip',
  'nonmonotonic-poll',
  'nonmonotonic-send',
  'unseen',
  'precommitted-read',
  // Of one transaction a part is committed, and a part is not.
  'torn-transaction',
  // A row that nobody sent, or of another window.
  'phantom-row',
  // Two byte strings for one (contract, window, query, reader), also among what was aborted.
  'divergent-result',
  // Windows that were emitted are no prefix.
  'gap',
  // Of the run, not of the history.
  'no-progress',
  'worker-halted',
  'refused-result',
  'run-failed',
] as const;
export type AnomalyKind = (typeof ANOMALIES)[number];

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly facts: Readonly<Record<string, string | number | null>>;
}
