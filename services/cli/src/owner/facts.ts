/**
 * What the owner's page is told by its server, as JSON. The server verifies; the page shows. There
 * is no key in any of it and no row: names, counts, times and codes.
 */

/** An error, as the command would say it. */
export interface ErrorFactsOfPage {
  readonly code: string;
  readonly expected: string;
  readonly remedy: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What does not change while the server runs. */
export interface OverviewFacts {
  readonly party: { readonly id: string; readonly name: string };
  readonly contractId: string;
  readonly title: string;
  readonly purpose: string;
  readonly version: number;
  readonly isSimulated: boolean;
  /** The service that is asked. */
  readonly service: string;
  /** What the server was started with, and so what it can do. */
  readonly can: {
    readonly revoke: boolean;
    readonly readLog: boolean;
    readonly readUses: boolean;
    readonly askWorker: boolean;
  };
  readonly revocation: RevocationMeaning;
}

/** What ending the contract means, told before. */
export interface RevocationMeaning {
  readonly means: readonly string[];
  readonly meansNot: readonly string[];
  /** Why this page cannot do it, and what does. */
  readonly instead?: string;
}

export interface ServiceFacts {
  readonly audit: {
    readonly entries: number;
    readonly root: string;
    readonly signedAt: number;
  };
  readonly lease: LeaseFacts;
  readonly accounts: readonly AccountFacts[];
  readonly debits: readonly DebitFacts[];
  /** Of all that was written down. */
  readonly counts: { readonly released: number; readonly refused: number };
}

export interface LeaseFacts {
  readonly state: 'none' | 'held' | 'ended' | 'revoked' | 'superseded';
  readonly epoch: number;
  /** When it came to be so; null where nothing was written down yet. */
  readonly at: number | null;
  /** The amendment that came after. */
  readonly successor?: string;
}

export interface AccountFacts {
  readonly dataset: string;
  readonly debits: number;
  readonly measures: readonly {
    readonly name: string;
    readonly limit: string;
    readonly spent: string;
    readonly left: string;
    /** Of the limit, 0 to 1. */
    readonly share: number;
  }[];
}

export interface DebitFacts {
  readonly sequence: number;
  readonly at: number;
  readonly query: string;
  readonly window: WindowFacts;
  readonly charges: readonly string[];
}

type WindowFacts = { readonly start: number; readonly end: number } | null;

export const REQUEST_KINDS = ['keys', 'contract', 'budgets', 'administration', 'all'] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

export interface RequestsFacts {
  /** The newest first. */
  readonly requests: readonly RequestFacts[];
  /** Ask for those before this entry; absent when there are none. */
  readonly before?: number;
}

export interface RequestFacts {
  readonly sequence: number;
  readonly at: number;
  readonly what: string;
  readonly caller: string;
  /** The key, the dataset, the contract, the route. */
  readonly about: string;
  readonly answer: string;
  readonly isRefusal: boolean;
}

export interface DataFacts {
  readonly datasets: readonly DatasetFacts[];
  /** Absent without the reading key. */
  readonly uses?: UsesFacts;
  /** Of this owner, set aside by the enclave; null where there is no such topic yet. */
  readonly quarantined: number | null;
}

export interface DatasetFacts {
  readonly id: string;
  readonly relation: string;
  readonly columns: number;
  /** By the owner's own signed manifests. */
  readonly streams: readonly {
    readonly stream: string;
    readonly rows: number;
    readonly batches: number;
    readonly watermark: number | null;
    readonly isFinal: boolean;
  }[];
  /** Records on its topic; null where it is not there yet. */
  readonly records: number | null;
}

export interface UsesFacts {
  readonly entries: number;
  readonly head: string;
  readonly starts: number;
  readonly lateRows: number;
  readonly retractedRows: number;
  readonly refusals: readonly { readonly code: string; readonly count: number }[];
  readonly refusedRecords: number;
  /** The newest first. */
  readonly windows: readonly UsedWindow[];
  readonly windowsInAll: number;
  readonly stop?: { readonly by: string; readonly at: number };
}

export interface UsedWindow {
  readonly id: string;
  readonly query: string;
  readonly window: WindowFacts;
  readonly rows: number;
  readonly groups: number;
  readonly suppressedGroups: number;
  readonly withheld: string;
  readonly readers: readonly string[];
  readonly code: string;
}

export interface AgreementFacts {
  readonly versions: readonly { readonly version: number; readonly contractId: string }[];
  readonly sections: readonly { readonly title: string; readonly lines: readonly string[] }[];
  readonly amendments: readonly AmendmentFacts[];
}

export interface AmendmentFacts {
  readonly file: string;
  /** What is wrong with the file; then nothing else is there. */
  readonly error?: ErrorFactsOfPage;
  readonly contractId?: string;
  readonly version?: number;
  /** Who has still to sign, and to consent. */
  readonly missing?: readonly string[];
  readonly consents?: readonly string[];
  readonly changes?: readonly ChangeFacts[];
}

export interface ChangeFacts {
  readonly effect: string;
  readonly title: string;
  readonly text: string;
  readonly detail: readonly string[];
  readonly places: readonly string[];
  readonly isOwn: boolean;
  readonly isUnexplained: boolean;
}

export interface EvidenceFactsOfPage {
  readonly accepted: boolean;
  readonly at: number;
  readonly words: readonly (readonly [label: string, text: string])[];
  readonly counted: readonly {
    readonly dataset: string;
    readonly owner: string;
    readonly rows: number;
    readonly batches: number;
  }[];
}

export interface RevocationFacts {
  readonly at: number;
  readonly epoch: number;
}
