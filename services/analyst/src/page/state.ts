import type { ShownError } from '@strongroom/page/view/error-panel';
import { createStore, type Store as PageStore } from '@strongroom/page/view/store';
import type { Theme } from '@strongroom/page/view/theme';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import type { Reader } from '@strongroom/sealing/identity-file';
import type { VerifiedResult } from '../open-aggregate.ts';
import type { RefusedRecord } from '../read-aggregates.ts';
import { createRecordShelf, type RecordShelf } from '../saved-result.ts';
import type { Connection } from './relayed-log.ts';
import type { Agreed } from './settings.ts';

export type View = 'results' | 'log' | 'verify';

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

export type Store = PageStore<PageState>;

export const NO_FILTER: Filter = { group: '', from: '', until: '' };

export function createPageStore(): Store {
  return createStore<PageState>({
    view: 'results',
    theme: 'auto',
    connection: 'connecting',
    results: new Map(),
    refused: [],
    shelf: createRecordShelf(),
    filter: NO_FILTER,
    announcement: '',
  });
}
