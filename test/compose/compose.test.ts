import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { DuckDBInstance } from '@duckdb/node-api';
import { freePort } from '@strongroom/record-log/free-port';
import { DockerComposeEnvironment, type StartedDockerComposeEnvironment } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readLine } from '../../services/analyst/src/relayed-line.ts';
import { ROOT } from '../architecture/source-files.ts';
import { httpsGet } from '../deployment/https-json.ts';
import { browserPath, openBrowser } from '../page/chromium.ts';
import { buildImages, type Engine, engineFor, PREPARING_MS_MAX } from './engine.ts';

/**
 * docker-compose.yml as a person uses it: up, a restart in the middle, down and up again, results
 * on the terminal and on the pages.
 */

const engine = await engineFor('containers of docker-compose.yml', 'ci');

const project = `strongroom-test-${process.pid}`;
const environment = {
  COMPOSE_PROJECT_NAME: project,
  STRONGROOM_PAGE_PORT: '0',
  STRONGROOM_WEST_PAGE_PORT: '0',
  STRONGROOM_EAST_PAGE_PORT: '0',
};
const page = () => `http://127.0.0.1:${environment.STRONGROOM_PAGE_PORT}`;
let folder: string;
let started: StartedDockerComposeEnvironment;

const LIVING = [
  ...['kafka', 'attestation', 'keys-west', 'keys-east', 'worker'],
  ...['page', 'owner-west', 'owner-east'],
];

async function up(services?: string[]): Promise<void> {
  started = await new DockerComposeEnvironment(ROOT, 'docker-compose.yml')
    .withProjectName(project)
    .withAutoCleanup(false)
    .withEnvironment(environment)
    .withClientOptions(here().standalone ? { executable: { standalone: true } } : {})
    .withStartupTimeout(10 * 60_000)
    .up(services);
}

const here = (): Engine => {
  if (engine === undefined) throw new Error('no engine');
  return engine;
};
const compose = (...args: string[]) => here().compose(environment, ...args);
const command = (...args: string[]) => compose('run', '--rm', '-T', ...args);

async function containerOf(service: string): Promise<string> {
  const label = [`project=${project}`, `service=${service}`, 'oneoff=False'];
  const filters = label.flatMap((each) => ['--filter', `label=com.docker.compose.${each}`]);
  return (await here().docker('ps', '--all', '--quiet', ...filters)).trim();
}

/** What the reader's command tells, a result a line. */
async function results(): Promise<Result[]> {
  const text = await command('analyst', 'read', ...READ);
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

interface Result {
  readonly query: string;
  readonly rows: Readonly<Record<string, unknown>>[];
}

const IDENTITY = '/authority/organisation/secrets/identity.json';
const READ = [
  ...['--contract=/public/contract.json', '--brokers=kafka:9092', `--identity=${IDENTITY}`],
  ...['--roots=/public/platform-roots.json', '--json'],
];

/** The same, by one engine that is shown both owners' files. */
async function plain(): Promise<Pick<Result, 'query' | 'rows'>[]> {
  const byDestination = await ask(`SELECT destination, count(*)::INT AS flights,
    sum(delay)::VARCHAR AS delay_minutes FROM flights
    GROUP BY destination HAVING flights >= 100 ORDER BY destination`);
  const daily = await ask(`SELECT count(*)::INT AS flights, avg(delay) AS mean_delay
    FROM flights GROUP BY date_trunc('day', "date") ORDER BY date_trunc('day', "date")`);
  return [
    { query: 'delays-by-destination', rows: byDestination },
    ...daily.map((row) => ({ query: 'daily-delays', rows: [row] })),
  ];
}

/** How many rows the west sends. */
async function westernRows(): Promise<number> {
  const [{ rows } = {}] = await ask(`SELECT count(*)::INT AS rows FROM '${folder}/west.parquet'`);
  return Number(rows);
}

async function ask(sql: string): Promise<Result['rows']> {
  for (const owner of ['west', 'east']) {
    // Every container of an owner mounts its volume.
    const source = `${await containerOf(`keys-${owner}`)}:/${owner}/data/flights.parquet`;
    await here().docker('cp', source, join(folder, `${owner}.parquet`));
  }
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`CREATE VIEW flights AS SELECT * FROM '${folder}/*.parquet'`);
  return (await connection.runAndReadAll(sql)).getRowObjectsJson() as Result['rows'];
}

/** Everything that the page's server hands on, with what base64 in it hides. */
async function relayed(): Promise<{ records: number; text: string }> {
  const asked = new AbortController();
  const { body } = await fetch(`${page()}/api/records?from=0`, { signal: asked.signal });
  let [rest, text, records] = ['', '', 0];
  for await (const piece of (body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${piece}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.map(readLine)) {
      if (line?.kind === 'record') {
        const value = Buffer.from(line.entry.value).toString('latin1');
        const inside = value.match(/[\w+/-]{24,}/g) ?? [];
        const opened = inside.map((each) => Buffer.from(each, 'base64').toString('latin1'));
        text += [JSON.stringify(line.entry.headers), value, ...opened].join('\n');
        records += 1;
      }
      if (line?.kind === 'caught-up') {
        asked.abort();
        return { records, text };
      }
    }
  }
  throw new Error('the stream ended early');
}

async function status(): Promise<{ state: string; streams: unknown[] }> {
  const where = ['--contract=/public/contract.json', '--brokers=kafka:9092'];
  const asked = ['--worker=http://worker:8490', '--json'];
  return JSON.parse(await command('strongroom', 'status', ...where, ...asked));
}

beforeAll(async () => {
  if (engine === undefined) return;
  folder = await mkdtemp(join(tmpdir(), 'strongroom-compose-'));
  for (const port of [
    'STRONGROOM_PAGE_PORT',
    'STRONGROOM_WEST_PAGE_PORT',
    'STRONGROOM_EAST_PAGE_PORT',
  ] as const) {
    environment[port] = String(await freePort('127.0.0.1'));
  }
  await buildImages(engine);
  // The east's rows come later, so that the worker is restarted in the middle.
  await up(['producer-west', 'worker', 'page', 'owner-west', 'owner-east']);
}, PREPARING_MS_MAX);

afterAll(async () => {
  await started?.down({ removeVolumes: true });
  if (folder) await rm(folder, { recursive: true, force: true });
  await engine?.close();
}, 5 * 60_000);

describe.runIf(engine !== undefined)('docker compose up', () => {
  test.each(LIVING)('%s runs without rights and can write to its volumes alone', async (name) => {
    const container = await containerOf(name);
    const [seen] = JSON.parse(await here().docker('inspect', container));
    expect(seen.State).toMatchObject({ Running: true, Health: { Status: 'healthy' } });
    expect(seen.Config.User).toBe('1000:1000');
    expect(seen.HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      Privileged: false,
      CapDrop: ['ALL'],
      CapAdd: null,
      SecurityOpt: ['no-new-privileges:true'],
    });
    const exec = (...args: string[]) => here().docker('exec', container, ...args);
    const status = await exec('cat', '/proc/1/status');
    expect(status).toMatch(/^Uid:\s+1000\s+1000\s+1000\s+1000$/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    await expect(exec('touch', '/app/x')).rejects.toThrow();
    await expect(exec('touch', '/public/x')).rejects.toThrow();
  });

  test('the page hands out a page, and seals stay closed on the way to it', async () => {
    const answer = await fetch(page());
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await answer.text()).toContain('<script');
    expect((await fetch(`${page()}/app.js`)).status).toBe(200);
    const other = await fetch(`${page()}/api/settings`, {
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(other.status).toBe(421);
    const [seen] = JSON.parse(await here().docker('inspect', await containerOf('page')));
    expect(seen.Mounts).toMatchObject([{ Destination: '/public', RW: false }]);
  });

  test(
    'a worker that is killed in the middle, and all that is stopped, lose nothing',
    async () => {
      const sent = String(await westernRows());
      await expect.poll(async () => JSON.stringify(await status()), POLL).toContain(sent);
      expect((await status()).state).not.toBe('done');
      await here().docker('restart', '--time=0', await containerOf('worker'));
      await started.down({ removeVolumes: false });
      await up();
      await expect.poll(async () => (await status()).state, POLL).toBe('done');
      const told = (await results()).map(({ query, rows }) => ({ query, rows }));
      expect(told).toEqual(await plain());
    },
    15 * 60_000,
  );

  test("an owner's page tells what became of its rows, by its address alone", async () => {
    const ca = await command('--entrypoint', 'cat', 'strongroom', '/public/ca.crt');
    const owner = await containerOf('owner-west');
    const address = await here().docker('exec', owner, 'cat', '/tmp/address');
    const [, origin = '', secret = ''] = /(https:\S+)\/#(\S+)/.exec(address) ?? [];
    expect(secret).toHaveLength(43);
    expect(await here().docker('logs', owner)).not.toContain(secret);
    const ask = (path: string, headers = {}) => httpsGet(`${origin}${path}`, ca, headers);
    expect((await ask('/'))?.body).toContain('<script');
    expect((await ask('/api/overview'))?.status).toBe(401);
    const tell = async (path: string) => {
      const answer = await ask(path, { authorization: `Bearer ${secret}` });
      return JSON.parse(answer?.body ?? '');
    };
    expect(await tell('/api/overview')).toMatchObject({
      party: { id: 'west' },
      can: { revoke: true, readLog: true, readUses: true, askWorker: true },
    });
    expect(await tell('/api/service')).toMatchObject({ lease: { state: 'held' } });
    const [dataset] = (await tell('/api/data')).datasets;
    expect(dataset).toMatchObject({
      id: 'flights-west',
      streams: [{ rows: await westernRows(), isFinal: true }],
    });
  });

  test('what the page is handed is sealed', async () => {
    const { records, text } = await relayed();
    expect(records).toBeGreaterThanOrEqual(14);
    expect(text).toContain('daily-delays');
    for (const column of ['delay_minutes', 'mean_delay']) expect(text).not.toContain(column);
  });

  test.runIf(browserPath !== undefined)('the page shows them', async () => {
    const identity = join(folder, 'authority.json');
    await writeFile(identity, await command('--entrypoint', 'cat', 'analyst', IDENTITY));
    const browser = await openBrowser();
    try {
      const tab = await browser.newPage();
      await tab.goto(page());
      await tab.setInputFiles('#identity', identity);
      await tab.waitForSelector('.state-live');
      const shown = await tab.locator('body').textContent();
      expect(shown).toContain('Delays of two airport operators');
    } finally {
      await browser.close();
    }
  });
});

const POLL = { timeout: 5 * 60_000, interval: 5_000 };
