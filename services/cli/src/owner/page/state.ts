import type { ShownError } from '@strongroom/page/view/error-panel';
import { createStore, type Store as PageStore } from '@strongroom/page/view/store';
import type { Theme } from '@strongroom/page/view/theme';
import type {
  AgreementFacts,
  DataFacts,
  EvidenceFactsOfPage,
  OverviewFacts,
  RequestFacts,
  RequestKind,
  ServiceFacts,
} from '../facts.ts';

export type View = 'overview' | 'uses' | 'requests' | 'budgets' | 'agreement' | 'proofs';

/** What was asked for: not there yet, there, or why not. What was there stays beside an error. */
export interface Part<Value> {
  readonly value?: Value;
  readonly error?: ShownError;
}

export interface RequestList {
  readonly kind: RequestKind;
  readonly requests: readonly RequestFacts[];
  readonly before?: number;
}

/** The dialog in which an owner ends the contract. */
interface Ending {
  readonly nonce?: string;
  readonly typed: string;
  readonly isSent: boolean;
  readonly error?: ShownError;
}

export interface PageState {
  readonly view: View;
  readonly theme: Theme;
  /** Without the secret of an address nothing can be asked. */
  readonly isLocked: boolean;
  readonly overview?: OverviewFacts;
  readonly error?: ShownError;
  readonly service: Part<ServiceFacts>;
  readonly data: Part<DataFacts>;
  readonly agreement: Part<AgreementFacts>;
  readonly kind: RequestKind;
  readonly requests: Part<RequestList>;
  readonly evidence: Part<EvidenceFactsOfPage>;
  readonly isAsking: boolean;
  readonly isSaving: boolean;
  readonly ending?: Ending;
  /** When the contract was ended, from this page. */
  readonly endedAt?: number;
  /** Told to who does not see the page. */
  readonly announcement: string;
}

export type Store = PageStore<PageState>;

export function createPageStore(): Store {
  return createStore<PageState>({
    view: 'overview',
    theme: 'auto',
    isLocked: false,
    service: {},
    data: {},
    agreement: {},
    kind: 'keys',
    requests: {},
    evidence: {},
    isAsking: false,
    isSaving: false,
    announcement: '',
  });
}
