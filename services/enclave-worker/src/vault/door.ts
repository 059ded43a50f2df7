import type { ErrorCode, ErrorFacts } from '@strongroom/protocol/errors';
import type { QueryId } from '@strongroom/protocol/fields';

/**
 * What passes between the worker and the vault: sealed bytes, public keys, the contract, codes and
 * counts. The worker loads this file's types and nothing else of the vault.
 */

/** A record of the log, on its way in or out. */
export interface DoorRecord {
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** A record that was read, with the log's own number for it. */
export interface DoorEntry extends DoorRecord {
  readonly offset: number;
  /** Default 0. */
  readonly partition?: number;
  /** So many vaults were lost while they read this record alone. */
  readonly deaths?: number;
}

/** Requests and their answers, by verb. Values of records travel beside the JSON, in order. */
export interface DoorVerbs {
  /** Verifies the contract, checks its SQL, starts the engine, makes the keys. */
  open: {
    request: {
      contract: unknown;
      amendments?: readonly unknown[];
      memoryMb: number;
      slice?: number;
    };
    answer: { contractId: string };
  };
  /** Canonical bytes of the runtime claims, base64url; their nonce; the key that names a holder. */
  claims: {
    request: { challenges?: Readonly<Record<string, string>> };
    answer: { runtimeClaims: string; nonce: string; holder: string };
  };
  /** What proves this worker, and results will name: an attestation proof's canonical JSON. */
  proof: { request: { proof: string }; answer: NoMembers };
  /** An owner's grant of its lease. */
  lease: { request: { owner: string; statement: string }; answer: NoMembers };
  /**
   * The owners' word on the step that waits, and their receipts for what it uses up of their
   * budgets; what it holds back comes as records.
   */
  depart: {
    request: {
      statements: readonly { owner: string; statement: string }[];
      receipts: readonly { owner: string; receipt: unknown }[];
    };
    answer: NoMembers;
  };
  /** An owner has ended the contract: every key is forgotten, and a signed notice is the record. */
  stop: { request: { owner: string; statement: string }; answer: NoMembers };
  /** An owner's answer to a key request. */
  release: { request: { owner: string; keyId: string; jws: string }; answer: NoMembers };
  /**
   * Opens the newest of the checkpoints and the step that was prepared behind it, or begins; says
   * where to read from. The seals' values travel beside; what has still to leave comes as records.
   */
  restore: {
    request: { checkpoints: readonly string[]; prepared: readonly Pick<SealedStep, 'seal'>[] };
    answer: Restored & Outgoing;
  };
  /** The proof and a checkpoint that claims the epoch, as records. */
  announce: { request: NoMembers; answer: Outgoing };
  /**
   * Takes records of one dataset's topic, in the log's order; entries of the owner's quarantine
   * come as records. `at` is the time by the worker's machine.
   */
  accept: {
    request: { dataset: string; entries: readonly Omit<DoorEntry, 'value'>[]; at?: number };
    answer: { outcomes: readonly ToldOutcome[] };
  };
  /** Results of windows that are complete, and the checkpoint that covers them, as records. */
  close: { request: NoMembers; answer: Closing & Outgoing };
  /** A checkpoint alone, as a record. */
  checkpoint: { request: NoMembers; answer: Outgoing };
  /** Refuses to end while the owners' manifests name more than the log held. */
  finish: { request: NoMembers; answer: NoMembers };
  /** Evidence on demand: claims with a stranger's nonce, and the statement that goes with them. */
  evidence: { request: { nonce: string }; answer: StatementAnswer };
}
type NoMembers = Readonly<Record<never, never>>;
/**
 * What is to leave: the record of the prepared step, and then the step itself. With a lease step
 * or debits that one is not there yet: the owners have to confirm it first.
 */
export interface Outgoing {
  readonly leaseStep?: string;
  /** Compact JWSs for the owners' ledgers: without their receipts nothing leaves. */
  readonly debits?: readonly { readonly owner: string; readonly debit: string }[];
}

/** A step that was prepared, as it lies on the log. */
export interface SealedStep {
  readonly seal: string;
  readonly value: Uint8Array;
}
export type DoorVerb = keyof DoorVerbs;

export interface Restored {
  readonly epoch: number;
  readonly from: readonly {
    readonly dataset: string;
    readonly partition: number;
    readonly offset: number;
  }[];
  readonly done: boolean;
}

export interface StatementAnswer {
  /** Canonical bytes of `EvidenceClaims`, base64url; good for no key release. */
  readonly runtimeClaims: string;
  /** A compact JWS. */
  readonly statement: string;
  /** The value of the token record that results name. */
  readonly startupProof: string;
}

/** What became of one record. */
export interface EntryOutcome {
  readonly offset: number;
  readonly kind: 'batch' | 'manifest' | 'retraction' | 'opening' | 'refused' | 'held';
  /** Rows that were counted for the first time. */
  readonly rows: number;
  /** Of these, rows that missed a window of any query: it had been closed. */
  readonly lateRows: number;
  /** The same, query by query; absent when no row was late. */
  readonly late?: readonly LateCount[];
  /** Rows of an earlier batch that the owner has taken back. */
  readonly retractedRows?: number;
  readonly code?: ErrorCode;
  readonly facts?: ErrorFacts;
  /** An earlier run has reported this record. */
  readonly again?: boolean;
}

/**
 * What the worker, and whoever asks it, is told of an outcome: what follows from the record as it
 * lies on the log. How many rows were late follows from the rows.
 */
export interface ToldOutcome extends Omit<EntryOutcome, 'lateRows' | 'late' | 'facts'> {
  /** Queries for which some row was late; absent when there is none. */
  readonly lateFor?: readonly QueryId[];
}

/** Rows that came after a window of one query had been closed that holds them. */
export interface LateCount {
  readonly query: QueryId;
  readonly rows: number;
  /** Of these, rows that no window of the query counts; the others lie in an open one too. */
  readonly excluded: number;
  /** Which closed windows they missed: from the start of the first to the end of the last. */
  readonly missed: { readonly start: number; readonly end: number };
}

export interface Closing {
  readonly windows: number;
  readonly aggregates: number;
  /** More windows can be closed at once. */
  readonly more: boolean;
  /** Every query has emitted its last result. */
  readonly done: boolean;
  readonly streams: readonly StreamProgress[];
  readonly queries: readonly QueryProgress[];
}

export interface QueryProgress {
  readonly query: string;
  readonly emissions: number;
  readonly done: boolean;
  /** Windows that end at or before this are closed. */
  readonly closedUntil: number | null;
}

export interface StreamProgress {
  readonly dataset: string;
  /** Null while no record has named it, where the contract does not. */
  readonly stream: string | null;
  readonly partition: number;
  readonly epoch: number;
  readonly sequences: number;
  readonly rows: number;
  readonly watermark: number | null;
  readonly final: boolean;
  /** A manifest names so many batches that have not come; 0 when none does. */
  readonly missing: number;
  /** Batches that wait for one that has not come. */
  readonly held: number;
  /** From here on lie batches that there was no room for, and one of them may be the next. */
  readonly rereadFrom: number | null;
  /** How often all that open windows need had to come again. */
  readonly rereads: number;
  /** The owner's newest opening does not fit: nothing closes until one does. */
  readonly stalled: boolean;
}
