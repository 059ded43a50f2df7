import { saveFile } from '@strongroom/page/view/save-file';
import type {
  AgreementFacts,
  DataFacts,
  EvidenceFactsOfPage,
  OverviewFacts,
  RequestKind,
  RequestsFacts,
  RevocationFacts,
  ServiceFacts,
} from '../facts.ts';
import { type Ask, shownError } from './ask.ts';
import type { PageState, Part, Store } from './state.ts';

/** What a person can have done here; each asks the server, and shows what comes. */
export interface Desk {
  refresh(): Promise<void>;
  showRequests(kind: RequestKind): Promise<void>;
  showOlderRequests(): Promise<void>;
  askEvidence(): Promise<void>;
  saveBundle(): Promise<void>;
  beginEnding(): Promise<void>;
  end(): Promise<void>;
}

export function createDesk(store: Store, ask: Ask): Desk {
  const parts = partsOf(store, ask);
  const readRequests = async (kind: RequestKind) => {
    const read = await ask<RequestsFacts>(`/api/requests?kind=${kind}`);
    return { kind, ...read };
  };
  const showRequests = async (kind: RequestKind) => {
    store.set({ kind });
    await parts.fill('requests', () => readRequests(kind));
  };
  return {
    refresh: async () => {
      if (!(await parts.readOverview())) return;
      const { can } = store.state.overview ?? {};
      await Promise.all([
        parts.fill('service', () => ask<ServiceFacts>('/api/service')),
        parts.fill('agreement', () => ask<AgreementFacts>('/api/agreement')),
        showRequests(store.state.kind),
        can?.readLog ? parts.fill('data', () => ask<DataFacts>('/api/data')) : undefined,
      ]);
    },
    showRequests,
    showOlderRequests: async () => {
      const { kind, requests } = store.state;
      const before = requests.value?.before ?? 0;
      await parts.fill('requests', async () => {
        const older = await ask<RequestsFacts>(`/api/requests?kind=${kind}&before=${before}`);
        const all = [...(requests.value?.requests ?? []), ...older.requests];
        return { ...older, kind, requests: all };
      });
    },
    askEvidence: async () => {
      store.set({ isAsking: true, announcement: 'Asking the worker' });
      await parts.fill('evidence', () => ask<EvidenceFactsOfPage>('/api/evidence', {}));
      const { value, error } = store.state.evidence;
      const accepted = value?.accepted ? 'The evidence is as agreed' : 'The evidence is refused';
      store.set({ isAsking: false, announcement: error ? 'No evidence' : accepted });
    },
    saveBundle: () => saveBundle(store, ask),
    ...endingsOf(store, ask),
  };
}

type PartName = 'service' | 'data' | 'agreement' | 'requests' | 'evidence';

function partsOf(store: Store, ask: Ask) {
  return {
    /** What was shown before stays beside an error. */
    fill: async <Name extends PartName>(
      name: Name,
      read: () => Promise<NonNullable<PageState[Name]['value']>>,
    ) => {
      const before = store.state[name];
      let part: Part<unknown>;
      try {
        part = { value: await read() };
      } catch (error) {
        part = { ...before, error: shownError(error) };
      }
      store.set({ [name]: part });
    },
    /** @returns whether the server answers at all */
    readOverview: async () => {
      const { error: _error, ...kept } = store.state;
      try {
        const overview = await ask<OverviewFacts>('/api/overview');
        store.replace({ ...kept, overview, isLocked: false });
        return true;
      } catch (error) {
        const shown = shownError(error);
        store.set({ error: shown, isLocked: shown.code === 'ERR_UNAUTHENTICATED' });
        return false;
      }
    },
  };
}

async function saveBundle(store: Store, ask: Ask): Promise<void> {
  store.set({ isSaving: true });
  try {
    const bundle = await ask<object>('/api/bundle');
    const file = new Blob([`${JSON.stringify(bundle)}\n`], { type: 'application/json' });
    saveFile(`${store.state.overview?.party.id ?? 'owner'}.proofs.json`, file);
    store.set({ isSaving: false, announcement: 'The bundle was saved' });
  } catch (error) {
    const evidence = { ...store.state.evidence, error: shownError(error) };
    store.set({ isSaving: false, evidence });
  }
}

function endingsOf(store: Store, ask: Ask): Pick<Desk, 'beginEnding' | 'end'> {
  return {
    beginEnding: async () => {
      store.set({ ending: { typed: '', isSent: false } });
      try {
        const { nonce } = await ask<{ nonce: string }>('/api/revocation/intent', {});
        if (store.state.ending) store.set({ ending: { ...store.state.ending, nonce } });
      } catch (error) {
        const { ending } = store.state;
        if (ending) store.set({ ending: { ...ending, error: shownError(error) } });
      }
    },
    end: async () => {
      const { ending } = store.state;
      if (!ending?.nonce) return;
      const { nonce, typed } = ending;
      store.set({ ending: { ...ending, isSent: true } });
      try {
        const { at } = await ask<RevocationFacts>('/api/revocation', { nonce, typed });
        const { ending: _ending, ...kept } = store.state;
        store.replace({ ...kept, endedAt: at, announcement: 'The contract was ended' });
      } catch (error) {
        // Its nonce is spent: whoever means it opens the dialog again.
        store.set({ ending: { typed, isSent: false, error: shownError(error) } });
      }
    },
  };
}
