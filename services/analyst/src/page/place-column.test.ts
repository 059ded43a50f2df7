import { describe, expect, test } from 'vitest';
import type { ResultColumn } from '../result-columns.ts';
import { placeColumnOf } from './place-column.ts';

function read(
  name: string,
  cells: readonly (string | null)[],
  kind: ResultColumn['kind'] = 'text',
) {
  const column: ResultColumn = { name, kind, sqlType: 'VARCHAR', cells };
  const number: ResultColumn = { ...column, name: 'flights', kind: 'integer', cells: [1, 2, 3] };
  return placeColumnOf({ columns: [number, column] }, [...cells.keys()]);
}

describe('a column of places', () => {
  test.each([
    ['origin', ['ATL', 'BOS'], 'airport'],
    ['arrival_airport', ['ATL', 'BOS', null], 'airport'],
    ['IATA', ['ATL', 'BOS'], 'airport'],
    ['country', ['DE', 'FR'], 'country'],
    ['destination_country', ['DE', 'FR'], 'country'],
    ['country_code', ['DE', 'FR', 'IT', 'ES', 'others'], 'country'],
  ] as const)('%s with %j', (name, cells, kind) => {
    const found = read(name, cells);
    expect(found).toMatchObject({ name, kind });
    expect([...(found?.rows.keys() ?? []), ...(found?.others ?? [])]).toEqual(
      cells.filter((each) => each !== null),
    );
  });

  test.each([
    // Two letters of a state, three of a currency: the form alone says nothing.
    ['state', ['CA', 'DE', 'IN']],
    ['origin', ['CA', 'DE', 'IN']],
    ['currency', ['USD', 'EUR']],
    ['carrier', ['DL', 'AA']],
    ['country', ['Germany', 'France']],
    ['origin', ['ATL']],
    ['origin', ['ATL', 'BOS', 'north', 'south']],
    ['original', ['ATL', 'BOS']],
    // Of several rows of one place a mark could show one alone.
    ['origin', ['ATL', 'BOS', 'ATL']],
  ])('%s with %j is none', (name, cells) => {
    expect(read(name, cells)).toBeUndefined();
  });

  test('rows that nobody asks for do not count', () => {
    const column = { name: 'origin', kind: 'text', sqlType: 'VARCHAR' } as const;
    const columns = [{ ...column, cells: ['ATL', 'BOS', 'ATL'] }];
    const found = placeColumnOf({ columns }, [1, 2]);
    expect(found?.rows).toEqual(
      new Map([
        ['BOS', 1],
        ['ATL', 2],
      ]),
    );
  });
});
