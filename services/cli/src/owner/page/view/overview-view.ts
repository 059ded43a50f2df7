import { DataTable } from '@strongroom/page/view/data-table';
import { secondText, shortHash } from '@strongroom/page/view/words';
import { h } from 'preact';
import type { DatasetFacts, ServiceFacts } from '../../facts.ts';
import type { ViewProps } from './app.ts';
import { PartOf } from './part.ts';
import { RequestsTable } from './requests-view.ts';

/** The state of things on one screen, and the way to end them. */
export function OverviewView({ store, state, desk }: ViewProps) {
  const { overview, service, data, requests } = state;
  return h('div', { class: 'stack' }, [
    h('div', { class: 'query-title' }, [
      h('h2', null, overview?.party.name),
      h('p', { class: 'quiet' }, overview?.purpose),
    ]),
    h(PartOf<ServiceFacts>, {
      part: service,
      waiting: 'Reading and verifying the log of your service…',
      show: (facts) => h(Tiles, { facts }),
    }),
    h('section', { class: 'panel' }, [
      h('h3', null, 'Your datasets'),
      overview?.can.readLog
        ? h(PartOf<{ readonly datasets: readonly DatasetFacts[] }>, {
            part: data,
            waiting: 'Reading the log…',
            show: ({ datasets }) => h(DatasetsTable, { datasets }),
          })
        : h(Without, { what: 'What was sent is not shown', option: '--brokers' }),
    ]),
    h('section', { class: 'panel' }, [
      h('h3', null, 'The newest requests for keys'),
      requests.value && requests.value.kind === 'keys'
        ? h(RequestsTable, { requests: requests.value.requests.slice(0, 5) })
        : null,
      h('p', null, [
        h(
          'button',
          {
            type: 'button',
            class: 'link',
            onClick: () => {
              store.set({ view: 'requests' });
              void desk.showRequests('keys');
            },
          },
          'See all',
        ),
      ]),
    ]),
    h(EndPanel, { store, state, desk }),
  ]);
}

function Tiles({ facts }: { readonly facts: ServiceFacts }) {
  const { audit, lease, counts } = facts;
  const tile = (label: string, value: string, detail: string, title = '') =>
    h('div', { class: 'tile' }, [
      h('dt', null, label),
      h('dd', null, value),
      h('dd', { class: 'quiet small', title }, detail),
    ]);
  return h('dl', { class: 'tiles' }, [
    tile('Lease', LEASES[lease.state], leaseText(facts)),
    tile('Keys released', counts.released.toLocaleString('en'), 'since the service was set up'),
    tile('Refused', counts.refused.toLocaleString('en'), 'requests that were not granted'),
    tile(
      'Log of the service',
      'Whole',
      `${audit.entries.toLocaleString('en')} entries, root ${shortHash(audit.root)}`,
      audit.root,
    ),
  ]);
}

const LEASES = {
  none: 'None yet',
  held: 'Given',
  ended: 'Free',
  revoked: 'Ended for good',
  superseded: 'Amended',
} as const;

function leaseText({ lease }: ServiceFacts): string {
  if (lease.at === null) return 'no worker has asked for it';
  const since = `since ${secondText(lease.at)} UTC`;
  return lease.state === 'held' ? `to a worker, epoch ${lease.epoch}, ${since}` : since;
}

function DatasetsTable({ datasets }: { readonly datasets: readonly DatasetFacts[] }) {
  return h(DataTable, {
    caption: 'Your datasets, and how far each was sent',
    hasRowHeads: true,
    columns: [
      { name: 'Dataset' },
      { name: 'Stream' },
      { name: 'Rows sent', isNumber: true },
      { name: 'Batches', isNumber: true },
      { name: 'Complete until (UTC)', isTime: true },
    ],
    rows: datasets.flatMap((dataset) => {
      const { id, streams } = dataset;
      if (streams.length === 0) {
        return [{ id, cells: [id, '', '0', '0', noManifestText(dataset)] }];
      }
      return streams.map(({ stream, rows, batches, watermark, isFinal }) => ({
        id: `${id}.${stream}`,
        cells: [
          id,
          stream.length > 14 ? h('span', { title: stream }, `${stream.slice(0, 10)}…`) : stream,
          rows.toLocaleString('en'),
          batches.toLocaleString('en'),
          isFinal ? 'all there is' : watermark === null ? 'open' : secondText(watermark),
        ],
      }));
    }),
  });
}

function noManifestText({ records }: DatasetFacts): string {
  if (records === null || records === 0) return 'nothing was sent yet';
  return `no manifest among ${records.toLocaleString('en')} records`;
}

/** What the server was started without. */
export function Without({ what, option }: { readonly what: string; readonly option: string }) {
  return h('p', { class: 'quiet' }, [
    `${what}: start the page with `,
    h('code', null, option),
    '.',
  ]);
}

function EndPanel({ state, desk }: ViewProps) {
  const { overview, endedAt, service } = state;
  const instead = overview?.revocation.instead;
  const lease = service.value?.lease.state;
  if (!overview || endedAt !== undefined || lease === 'revoked' || lease === 'superseded')
    return null;
  return h('section', { class: 'panel danger' }, [
    h('h3', null, 'End this contract'),
    h('p', null, [
      'You alone can end it, at any time and for good: for everybody, not only for yourself.',
    ]),
    instead === undefined
      ? h('p', null, [
          h(
            'button',
            {
              type: 'button',
              class: 'button button-danger',
              onClick: () => void desk.beginEnding(),
            },
            'End this contract…',
          ),
        ])
      : h('p', { class: 'quiet' }, instead),
  ]);
}
