/**
 * The log as all of Strongroom sees it: bytes in order, nothing of what they mean. Two adapters
 * follow it: Kafka (`kafka-log`) and the testkit's memory log; one suite of tests holds both to it.
 */

/** A record to be written. Headers are text; an absent value is an empty one. */
export interface LogRecord {
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** Which trace it belongs to, as its writer says: a hint that nothing rests on (`trace-hint`). */
  readonly trace?: string;
}

/** A record as it was read. Offsets of one partition rise, but not without gaps. */
export interface LogEntry extends LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface ReadFrom {
  readonly topic: string;
  /** Default 0. */
  readonly partition?: number;
  /** The first offset that is wanted; an offset that the log no longer has is an error. */
  readonly offset: number;
}

export interface ReadOptions {
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal;
  /** End where the log ended when the reading began; otherwise reading waits for more for ever. */
  readonly untilEnd?: boolean;
  /** Bytes that may be read ahead of the consumer; default 16 MiB. */
  readonly maxBytes?: number;
  /**
   * Values are views of all that came in one answer of the log, for a reader that hands them on
   * and gives them back; whoever keeps one keeps them all. Otherwise each is a copy of its own.
   */
  readonly views?: AnswerMemory;
}

/** What answers are read into, and given back to when their reader is done with all of one. */
export interface AnswerMemory {
  /** Memory for so many bytes, whatever is in it. */
  take(bytes: number): Uint8Array<ArrayBuffer>;
  /** Says which views of what was taken are in the reader's hands. */
  lend(values: readonly Uint8Array[]): void;
}

export interface TopicToCreate {
  readonly topic: string;
  /** Default 1. */
  readonly partitions?: number;
  /** Topic settings under their Kafka names. */
  readonly config?: Readonly<Record<string, string>>;
}

/**
 * Everything rejects with a `LogError`: ERR_LOG_UNREACHABLE, ERR_LOG_FAILED, ERR_LOG_FENCED or
 * ERR_LIMIT_EXCEEDED (a record that no request can carry).
 */
export interface RecordLog {
  /**
   * Without them a writer appends, topic after topic as they are given: some records may be there
   * without the others, and a newer writer does not fence an older one.
   */
  readonly hasTransactions: boolean;
  /** Creates the topics that do not exist yet; existing ones are left as they are. */
  createTopics(topics: readonly TopicToCreate[]): Promise<void>;
  /**
   * Appends in order and resolves when the log has acknowledged all (acks -1). Calls are served
   * one after the other. After an error it is unknown how many of the records were written.
   */
  append(topic: string, records: readonly LogRecord[], partition?: number): Promise<void>;
  /**
   * Committed records from several partitions, in order within each; every array comes from one
   * partition. What the consumer has not taken bounds what is read ahead (back-pressure).
   */
  read(from: readonly ReadFrom[], options?: ReadOptions): AsyncIterable<LogEntry[]>;
  /** The first offset that the log still has: what lay before was let go of, or never was. */
  startOffset(topic: string, partition?: number): Promise<number>;
  /** The offset after the last record that a reader could see now; transactions' marks count. */
  endOffset(topic: string, partition?: number): Promise<number>;
  /**
   * Takes over `transactionalId`: an open transaction of an older writer with this id is aborted,
   * and the older writer is fenced. Resolves when that is done.
   */
  transaction(transactionalId: string): Promise<TransactionalWriter>;
  /** Ends open reads and closes all connections. */
  close(): Promise<void>;
}

export interface TopicRecords {
  readonly topic: string;
  readonly records: readonly LogRecord[];
}

export interface TransactionalWriter {
  /**
   * One transaction: all of the records become readable together, or none. It resolves when they
   * are committed, and readable unless an open transaction of another writer lies before them.
   * Calls must not overlap.
   *
   * After ERR_LOG_FAILED the outcome is unknown and the writer is closed: open a new one with the
   * same id, which settles it, and read back. After ERR_LOG_FENCED another writer has taken over.
   */
  commit(
    topic: string,
    records: readonly LogRecord[],
    /** Records of other topics in the same transaction. */
    beside?: readonly TopicRecords[],
  ): Promise<{ firstOffset?: number }>;
  close(): Promise<void>;
}
