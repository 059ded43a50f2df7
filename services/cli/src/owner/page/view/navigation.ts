import { NavItem } from '@strongroom/page/view/nav-item';
import { countText } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { View } from '../state.ts';
import type { ViewProps } from './app.ts';

export function Navigation({ store, state }: ViewProps) {
  const { view, service, data, agreement, evidence } = state;
  const item = (name: View, label: string, detail = '') =>
    h(NavItem, {
      ...{ label, detail, isCurrent: view === name },
      onClick: () => store.set({ view: name }),
    });
  const refused = service.value?.counts.refused ?? 0;
  const pending = agreement.value?.amendments.length ?? 0;
  const windows = data.value?.uses?.windowsInAll;
  return h('nav', { class: 'side', 'aria-label': 'Views' }, [
    h('ul', null, [
      item('overview', 'Overview', countText(data.value?.datasets.length ?? 0, 'dataset')),
      item('uses', 'What was counted', windows === undefined ? '' : countText(windows, 'result')),
      item('requests', 'Who asked for keys', refused > 0 ? `${refused} refused` : ''),
      item('budgets', 'Budgets'),
      item('agreement', 'Contract', pending > 0 ? `${pending} pending` : ''),
      item('proofs', 'Proofs', evidence.value ? verdictText(evidence.value.accepted) : ''),
    ]),
  ]);
}

const verdictText = (accepted: boolean) => (accepted ? 'as agreed' : 'refused');
