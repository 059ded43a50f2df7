import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { Float64, Int32, Table, Utf8, vectorFromArray } from 'apache-arrow';
import { loadAnalystPage } from '../../services/analyst/src/page-assets.ts';
import {
  createPageServer,
  type PageServerOptions,
} from '../../services/analyst/src/page-server.ts';
import { createScene, type Scene } from '../../services/analyst/test/scene.ts';

/** A contract, a log in memory with results on it, and the page's server in front of it. */

const AIRPORTS = ['ATL', 'BOS', 'DEN', 'JFK', 'LAX', 'ORD', 'SEA', 'SFO'];
/** It stands in a row of every result: no byte that the server sends or gets may hold it. */
export const CANARY = `CANARY-${randomBytes(8).toString('hex')}`;

/** Built once for all tests of a file. */
const assets = loadAnalystPage();

/** Flights and delays by airport; small groups are missing now and then. */
export function flightsOf(day: number): Table {
  const origins = [...AIRPORTS, CANARY].filter((_each, index) => (day + index) % 11 !== 0);
  const flights = origins.map((_origin, index) => 40 + ((index * 37 + day * 13) % 160));
  const delays = flights.map((count, index) => (count % 17) / 3 + index * 1.7);
  return new Table({
    origin: vectorFromArray(origins, new Utf8()),
    flights: vectorFromArray(flights, new Int32()),
    average_delay: vectorFromArray(delays, new Float64()),
  });
}

/** Counts, and the bounds between which noise leaves the true ones. */
export function noisyOf(day: number): Table {
  const carriers = ['Alpine Air', 'Blue Meridian', 'Coastal'];
  const counts = carriers.map((_each, index) => 300 + index * 120 + ((day * 29) % 90));
  const shifted = (by: number) =>
    vectorFromArray(
      counts.map((count) => count + by),
      new Int32(),
    );
  return new Table({
    carrier: vectorFromArray(carriers, new Utf8()),
    passengers: shifted(0),
    passengers_low: shifted(-34),
    passengers_high: shifted(34),
  });
}

/** The scene's contract, with a query that has noise, and names that people would give. */
export function withNoise(contract: Record<string, unknown>): unknown {
  const { queries, datasets } = contract as Record<'queries' | 'datasets', object[]>;
  const [daily, total] = queries;
  const columns = {
    departed: { dimension: {} },
    delay: { measure: { low: '0', high: '600' } },
    passenger: { contributor: true },
  };
  const passenger = { name: 'passenger', type: 'utf8', nullable: false };
  return {
    ...contract,
    title: 'Delays across the North and South airports',
    purpose: 'How late flights leave, by airport and day, without showing any flight to anyone.',
    datasets: datasets.map((dataset) => ({
      ...dataset,
      columns: [...(dataset as { columns: object[] }).columns, passenger],
      rules: { columns },
    })),
    queries: [
      daily,
      {
        ...daily,
        id: 'passengers',
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'passengers' },
        privacy: {
          mechanism: 'laplace',
          loss: { epsilon: '1', delta: '0' },
          groupsPerContributor: 1,
          rowsPerGroup: 1,
          confidence: '0.95',
        },
      },
      total,
    ],
  };
}

export interface PageWorld {
  readonly scene: Scene;
  readonly url: string;
  readonly logged: () => string;
  /** An identity file, as a person would choose it. */
  identityFile(party: 'authority' | 'institute' | 'north'): Promise<string>;
  fileWith(name: string, text: string | Uint8Array): Promise<string>;
  /** The server goes away and comes back at the same address. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** What the server is told besides: of a scene with real evidence, its roots and its lists. */
interface PageWorldOptions extends Pick<PageServerOptions, 'simulatedPins' | 'revocation'> {
  readonly scene?: Scene;
}

export async function openPageWorld({
  scene: given,
  ...more
}: PageWorldOptions = {}): Promise<PageWorld> {
  const scene = given ?? (await createScene(withNoise));
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-page-'));
  let logged = '';
  const destination = new Writable({
    write: (line, _encoding, done) => {
      logged += String(line);
      done();
    },
  });
  const serve = async (port: number) => {
    const stopping = new AbortController();
    const app = createPageServer({
      signedContract: scene.signedText,
      contractId: scene.contractId,
      log: scene.log,
      ...more,
      assets: await assets,
      hostNames: [],
      logger: createLogger('analyst', { level: 'debug', destination }),
      metrics: createMetrics('analyst'),
      signal: stopping.signal,
    });
    const { url } = await listen(app, '127.0.0.1', port);
    const stop = async () => {
      stopping.abort();
      await app.close();
    };
    return { url, stop };
  };
  let served = await serve(0);
  const { url } = served;
  const fileWith = async (name: string, text: string | Uint8Array) => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  return {
    scene,
    url,
    logged: () => logged,
    fileWith,
    identityFile: (party) => fileWith(`${party}.json`, scene.identityJson[party]),
    restart: async () => {
      await served.stop();
      served = await serve(Number(new URL(url).port));
    },
    close: async () => {
      await served.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
