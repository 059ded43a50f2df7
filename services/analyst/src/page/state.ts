import type { ErrorFacts } from '@strongroom/protocol/errors';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import type { Reader } from '@strongroom/sealing/identity-file';
import type { VerifiedResult } from '../open-aggregate.ts';
import type { RefusedRecord } from '../read-aggregates.ts';
import { createRecordShelf, type RecordShelf } from '../saved-result.ts';
import type { Connection } from './relayed-log.ts';
import type { Agreed } from './settings.ts';

/** An error as it is shown: its code, what was expected, and what to do. */
export interface ShownError {
  readonly code: string;
  readonly expected: string;
  readonly remedy: string;
  readonly facts: ErrorFacts;
}

export type View = 'results' | 'log' | 'verify';
export type Theme = 'auto' | 'light' | 'dark';

/** Everything that the page shows; views only read it. */
export interface PageState {
  readonly view: View;
  readonly theme: Theme;
  readonly agreed?: Agreed;
  readonly reader?: Required<Reader>;
  readonly connection: Connection;
  /** Of every query, in the order of their emissions; grows in place. */
  readonly results: ReadonlyMap<string, VerifiedResult[]>;
  readonly refused: readonly RefusedRecord[];
  readonly ended?: StopNotice;
  /** What ended the reading, or kept it from beginning. */
  readonly error?: ShownError;
  readonly query?: string;
  /** The emission that is shown; the newest when absent. */
  readonly emission?: number;
  readonly measure?: string;
  readonly filter: Filter;
  /** What a result is saved with. */
  readonly shelf: RecordShelf;
  /** The result whose proof is open. */
  readonly proofOf?: VerifiedResult;
  /** Told to who does not see the page. */
  readonly announcement: string;
}

export interface Filter {
  readonly group: string;
  /** Days, `2001-01-31`; windows that begin within them; empty: no bound. */
  readonly from: string;
  readonly until: string;
}

export interface Store {
  readonly state: PageState;
  set(change: Partial<PageState>): void;
  /** For a change that leaves members out. */
  replace(next: PageState): void;
  subscribe(listener: () => void): void;
}

export const NO_FILTER: Filter = { group: '', from: '', until: '' };

export function createStore(): Store {
  let state: PageState = {
    view: 'results',
    theme: 'auto',
    connection: 'connecting',
    results: new Map(),
    refused: [],
    shelf: createRecordShelf(),
    filter: NO_FILTER,
    announcement: '',
  };
  const listeners: (() => void)[] = [];
  let isDrawing = false;
  /** Many results arrive at once: the page is drawn once a frame. */
  const replace = (next: PageState) => {
    state = next;
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(() => {
      isDrawing = false;
      for (const listener of listeners) listener();
    });
  };
  return {
    get state() {
      return state;
    },
    set: (change) => replace({ ...state, ...change }),
    replace,
    subscribe: (listener) => void listeners.push(listener),
  };
}
