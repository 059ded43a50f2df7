/**
 * node --conditions=strongroom:source scripts/sample-data.ts FOLDER ROWS
 *
 * Two owners' flight records for docker-compose.yml, split as the demo splits them.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { splitSources } from '../test/demo/sources.ts';

const [folder = '.strongroom/sample', rows = '200000'] = process.argv.slice(2);
const { flights } = await splitSources(join(folder, 'all'), Number(rows));
for (const region of ['west', 'east'] as const) {
  await mkdir(join(folder, region), { recursive: true });
  await copyFile(flights[region], join(folder, region, 'flights.parquet'));
}
