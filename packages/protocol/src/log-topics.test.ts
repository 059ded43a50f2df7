import { describe, expect, test } from 'vitest';
import type { Contract } from './contract.ts';
import { ContractIdSchema } from './fields.ts';
import {
  hostGroupOf,
  type Right,
  rightsOf,
  rolesOf,
  topicsOf,
  topicsOfRole,
  transactionalIdOf,
  workerRole,
} from './log-topics.ts';

const id = ContractIdSchema.parse('ab'.repeat(32));

/** What topics and rights follow from; nothing else of a contract is looked at. */
function contractOf(slices?: number): Contract {
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  return {
    parties: [{ id: 'north', readingKey: {} }, { id: 'south' }, { id: 'reader', readingKey: {} }],
    datasets: [
      { id: 'flights', owner: 'north', streams },
      { id: 'places', owner: 'south' },
    ],
    queries: [{ readers: ['reader'] }, { readers: ['reader', 'north'] }],
    ...(slices === undefined ? {} : { slices }),
  } as unknown as Contract;
}
const WHOLE = contractOf();
const SLICED = contractOf(2);

const shortened = ({ resource, operation, name }: Right) =>
  `${operation} ${resource} ${name.replaceAll(id, 'c')}`;
const rightsIn = (contract: Contract, role: string, namespace = '') =>
  rightsOf(contract, id, namespace)
    .filter((right) => right.role === role)
    .map(shortened);

test('roles follow from owners, readers and slices', () => {
  const people = [
    ...['producer:north', 'producer:south', 'owner:north', 'owner:south'],
    ...['analyst:reader', 'analyst:north', 'auditor'],
  ];
  expect(rolesOf(WHOLE)).toEqual([...people, 'worker']);
  expect(rolesOf(SLICED)).toEqual([...people, 'merger', 'slice:0', 'slice:1', 'host']);
});

describe('rights are the least', () => {
  test.each<[string, Contract, string, string[]]>([
    ['a producer', WHOLE, 'producer:north', ['Read Topic c.flights', 'Write Topic c.flights']],
    [
      'an owner with a reading key',
      WHOLE,
      'owner:north',
      [
        ...['Read Topic c.aggregates', 'Read Topic c.uses.north', 'Read Topic c.quarantine.north'],
        ...['Write Topic c.challenges', 'Read Topic c.evidence'],
      ],
    ],
    [
      'an owner without one',
      WHOLE,
      'owner:south',
      ['Read Topic c.aggregates', 'Write Topic c.challenges', 'Read Topic c.evidence'],
    ],
    [
      'an analyst',
      WHOLE,
      'analyst:reader',
      ['Read Topic c.aggregates', 'Write Topic c.challenges', 'Read Topic c.evidence'],
    ],
    [
      'the worker',
      WHOLE,
      'worker',
      [
        ...['Read Topic c.flights', 'Read Topic c.places', 'Write Topic c.aggregates'],
        ...['Read Topic c.checkpoints', 'Write Topic c.checkpoints'],
        ...['Write Topic c.uses.north', 'Write Topic c.quarantine.north'],
        ...['Read Topic c.challenges', 'Write Topic c.evidence'],
        'Write TransactionalId strongroom-worker..c',
      ],
    ],
    [
      'the worker of a slice',
      SLICED,
      'slice:1',
      [
        ...['Read Topic c.flights', 'Read Topic c.places'],
        ...['Read Topic c.checkpoints.1', 'Write Topic c.checkpoints.1'],
        'Write Topic c.partials.1',
        ...['Write Topic c.uses.north', 'Write Topic c.quarantine.north'],
        'Write TransactionalId strongroom-worker..c.1',
      ],
    ],
    [
      'what merges',
      SLICED,
      'merger',
      [
        'Write Topic c.aggregates',
        ...['Read Topic c.checkpoints', 'Write Topic c.checkpoints'],
        ...['Read Topic c.partials.0', 'Read Topic c.partials.1'],
        ...['Write Topic c.uses.north', 'Write Topic c.quarantine.north'],
        ...['Read Topic c.challenges', 'Write Topic c.evidence'],
        'Write TransactionalId strongroom-worker..c',
      ],
    ],
  ])('%s', (_, contract, role, rights) => {
    expect(rightsIn(contract, role)).toEqual(rights);
  });

  test('a host has those of every part, once, and what it shares them out by', () => {
    const parts = ['merger', 'slice:0', 'slice:1'].flatMap((role) => rightsIn(SLICED, role));
    const own = ['Read Topic c.slices', 'Read Group strongroom-host..c'];
    const host = rightsIn(SLICED, 'host');
    expect(host.toSorted()).toEqual([...new Set([...parts, ...own])].toSorted());
  });

  test('nobody creates, deletes or alters, and a namespace is in every name', () => {
    for (const contract of [WHOLE, SLICED]) {
      for (const { operation, name } of rightsOf(contract, id, 'staging')) {
        expect(['Read', 'Write', 'Describe']).toContain(operation);
        expect(name).toMatch(/^(strongroom-(worker|host)\.)?staging\./);
      }
    }
  });
});

test('the topics of a worker are those that it has rights to', () => {
  const made = (contract: Contract, slice?: number) =>
    topicsOfRole(workerRole(contract, slice), contract, id, '').map(({ channel }) => channel);
  expect(made(WHOLE)).toEqual([
    ...['dataset', 'dataset', 'aggregates', 'checkpoints', 'uses', 'quarantine'],
    ...['challenges', 'evidence'],
  ]);
  expect(made(SLICED, 1)).toEqual([
    ...['dataset', 'dataset', 'sliceCheckpoints', 'partials', 'uses', 'quarantine'],
  ]);
  expect(made(SLICED)).toEqual([
    ...['aggregates', 'checkpoints', 'partials', 'partials', 'uses', 'quarantine'],
    ...['challenges', 'evidence'],
  ]);
});

test('topics have the partitions of their streams, and one where nothing else is said', () => {
  const counts = topicsOf(SLICED, id, '').map(({ label, partitions }) => [label, partitions]);
  expect(Object.fromEntries(counts)).toMatchObject({
    ...{ 'dataset flights': 2, 'dataset places': 1, slices: 3, 'partials of slice 0': 1 },
  });
  expect(hostGroupOf(id, 'staging')).toBe(`strongroom-host.staging.${id}`);
  expect(transactionalIdOf(id, 'staging', 3)).toBe(`strongroom-worker.staging.${id}.3`);
});
