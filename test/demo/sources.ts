import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

/**
 * The real input: flight records, airports and bird strikes of the npm package `vega-datasets`,
 * split so that each owner holds a file of its own and nobody holds the whole.
 */

/** A development dependency of the root: its files are read where pnpm puts them. */
const DATA = path.resolve(import.meta.dirname, '../../node_modules/vega-datasets/data');

const REGIONS = {
  // Longitude bands of the airports table; every origin falls into exactly one.
  west: 'longitude < -104',
  central: 'longitude >= -104 AND longitude < -87',
  east: 'longitude >= -87',
} as const;
export type Region = keyof typeof REGIONS;
export const REGION_NAMES: readonly Region[] = ['west', 'central', 'east'];

export interface Sources {
  readonly flights: Record<Region, string>;
  readonly airports: string;
  readonly strikes: string;
  /** Rows in all owners' files together. */
  readonly rows: number;
}

/** Writes one Parquet file for each airport operator; the two tables are used as they are. */
export async function splitSources(folder: string, rowsMax: number | undefined): Promise<Sources> {
  await mkdir(folder, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  try {
    const airports = path.join(DATA, 'airports.csv');
    const flown = path.join(DATA, 'flights-3m.parquet');
    const limit = rowsMax === undefined ? '' : `LIMIT ${rowsMax}`;
    const flights = {} as Record<Region, string>;
    for (const region of REGION_NAMES) {
      flights[region] = path.join(folder, `flights-${region}.parquet`);
      await connection.run(`COPY (
          SELECT f.* FROM (SELECT * FROM read_parquet('${flown}') ${limit}) f
          WHERE origin IN (SELECT iata FROM read_csv('${airports}') WHERE ${REGIONS[region]})
          ORDER BY date
        ) TO '${flights[region]}' (FORMAT parquet)`);
    }
    const strikes = path.join(DATA, 'birdstrikes.csv');
    const files = [...Object.values(flights).map((file) => `read_parquet('${file}')`)];
    const counts = [...files, `read_csv('${airports}')`, `read_csv('${strikes}')`];
    const total = counts.map((file) => `(SELECT count(*) FROM ${file})`).join(' + ');
    const reader = await connection.runAndReadAll(`SELECT (${total})::INTEGER`);
    return { flights, airports, strikes, rows: Number(reader.getRows()[0]?.[0]) };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
