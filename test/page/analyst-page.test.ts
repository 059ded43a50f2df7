import { DuckDBInstance } from '@duckdb/node-api';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { Int32, Table, tableFromIPC, Utf8, vectorFromArray } from 'apache-arrow';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { VerifiedResult } from '../../services/analyst/src/open-aggregate.ts';
import { proofLines } from '../../services/analyst/src/proof-text.ts';
import { readAggregates } from '../../services/analyst/src/read-aggregates.ts';
import { readLine } from '../../services/analyst/src/relayed-line.ts';
import { resultArrow } from '../../services/analyst/src/result-arrow.ts';
import { columnsWithWindow } from '../../services/analyst/src/result-columns.ts';
import { csvHeader, csvRows } from '../../services/analyst/src/result-csv.ts';
import { checkSavedResult } from '../../services/analyst/src/saved-result.ts';
import { browserPath, openBrowser } from './chromium.ts';
import { accessibilityProblems, publish, savedBy, type Visit, visit } from './page-visit.ts';
import { CANARY, flightsOf, openPageWorld, type PageWorld } from './page-world.ts';

/** The page in a real browser: what it shows is what the command shows, and nothing else leaves. */

const WINDOWS = 5;

let browser: Browser;
let world: PageWorld;
const visits: Visit[] = [];

beforeAll(async () => {
  if (browserPath !== undefined) browser = await openBrowser();
});
afterAll(() => browser?.close());
beforeEach(async () => {
  if (browserPath !== undefined) world = await openPageWorld();
});
afterEach(async () => {
  for (const { context } of visits.splice(0)) await context.close();
  await world?.close();
});

async function arrive(options = {}): Promise<Visit> {
  const arrived = await visit(browser, world, options);
  visits.push(arrived);
  return arrived;
}

async function arriveAs(party: 'authority' | 'institute' | 'north', options = {}): Promise<Visit> {
  const arrived = await arrive(options);
  await arrived.page.setInputFiles('#identity', await world.identityFile(party));
  return arrived;
}

/** What the command reads from the same log. */
async function readByCommand(query: string): Promise<VerifiedResult[]> {
  const { scene } = world;
  const results: VerifiedResult[] = [];
  const options = { ...scene, identity: scene.authority, roots: AMD_ROOTS, query };
  for await (const reading of readAggregates(options)) {
    if (reading.kind === 'result') results.push(reading.result);
  }
  return results;
}

/** Everything that the server relays, opened as far as it can be without a key. */
async function relayedBytes(): Promise<Buffer> {
  const asked = new AbortController();
  const { body } = await fetch(`${world.url}/api/records?from=0`, { signal: asked.signal });
  const pieces: Uint8Array[] = [];
  let rest = '';
  for await (const text of (body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.map(readLine)) {
      if (line?.kind === 'record') pieces.push(line.entry.value, Buffer.from(text));
      if (line?.kind === 'caught-up') {
        asked.abort();
        return Buffer.concat(pieces);
      }
    }
  }
  throw new Error('the stream ended early');
}

describe.runIf(browserPath !== undefined)("the analyst's page", () => {
  test('shows what the command shows, and lets nothing out', async () => {
    await publish(world, WINDOWS);
    const { page, context, complaints, hosts, wire } = await arriveAs('authority');
    await page.waitForSelector('.state-live');
    const all = await readByCommand('daily');
    const last = all.at(-1);
    expect(all).toHaveLength(WINDOWS);
    const shown = await page.locator('table.rows tbody tr th').allTextContents();
    expect(shown).toEqual(last?.columns[0]?.cells);

    await page.getByRole('button', { name: 'Show the proof' }).click();
    const proof = await page.locator('dialog').textContent();
    for (const line of last ? proofLines(last) : ['none']) expect(proof).toContain(line.slice(10));

    const { signing, reading } = JSON.parse(world.scene.identityJson.authority);
    const relayed = await relayedBytes();
    for (const secret of [CANARY, signing.d, reading.d]) {
      expect(wire()).not.toContain(secret);
      expect(world.logged()).not.toContain(secret);
      expect(relayed.includes(secret)).toBe(false);
    }
    expect(await context.cookies()).toEqual([]);
    expect([...hosts]).toEqual([new URL(world.url).host]);
    expect(complaints).toEqual([]);
  });

  test('saves the files that the command writes', async () => {
    await publish(world, WINDOWS);
    const { page, complaints } = await arriveAs('authority');
    await page.waitForSelector('.state-live');
    const all = await readByCommand('daily');
    const columns = all.map(columnsWithWindow);
    const rows = all.map((each, at) => csvRows(columns[at] ?? [], each.content.rows));
    const csv = (await savedBy(page, 'Save as CSV')).toString('utf8');
    expect(csv).toBe([csvHeader(columns[0] ?? []), ...rows].join(''));
    const arrow = tableFromIPC(await savedBy(page, 'Save as Arrow'));
    const expected = tableFromIPC(resultArrow(all, 'file'));
    expect(String(arrow.schema)).toBe(String(expected.schema));
    expect(arrow.toArray().map(String)).toEqual(expected.toArray().map(String));

    const path = await world.fileWith('daily.parquet', await savedBy(page, 'Save as Parquet'));
    const connection = await (await DuckDBInstance.create()).connect();
    const read = await connection.runAndReadAll(`FROM read_parquet('${path}')`);
    const names = columns[0]?.map(({ name }) => name);
    expect(read.columnNames()).toEqual(names);
    expect(read.columnTypes().map(String)).toEqual(columns[0]?.map(({ sqlType }) => sqlType));
    const numbers = (name: string) => columns.flatMap((each) => cellsOf(each, name)).map(Number);
    const [flights, delay] = [3, 4].map((at) => read.getColumns()[at]?.map(Number));
    expect([flights, delay]).toEqual([numbers('flights'), numbers('average_delay')]);
    connection.closeSync();
    expect(complaints).toEqual([]);
  });

  test('shows a result of several records, and saves all of them', async () => {
    const { append, authority, clock } = world.scene;
    const worker = await world.scene.worker();
    const rows = Array.from({ length: 60_000 }, (_none, row) => row);
    const table = new Table({
      origin: vectorFromArray(
        rows.map((row) => `place ${row}`),
        new Utf8(),
      ),
      flights: vectorFromArray(rows, new Int32()),
    });
    await append(worker.tokenRecord, ...(await worker.sealParts({ table })));
    const { page, complaints } = await arriveAs('authority');
    await page.waitForSelector('.state-live');
    expect(await page.locator('table.rows tbody tr th').first().textContent()).toBe('place 0');
    await page.getByRole('button', { name: 'Show the proof' }).click();
    const file = (await savedBy(page, 'Save with its proof')).toString('utf8');
    const options = { clock, rootsFor: () => AMD_ROOTS, identity: authority };
    const { opened } = await checkSavedResult(file, options);
    expect(opened?.records).toHaveLength(2);
    expect(opened?.content.rows).toBe(rows.length);
    expect(complaints).toEqual([]);
  });

  test('shows a new result by itself, and tells who does not see it', async () => {
    const worker = await publish(world, 1);
    const { page } = await arriveAs('authority');
    await page.waitForSelector('.state-live');
    await world.scene.append(await worker.seal({ emission: 1, table: flightsOf(1) }));
    await page.getByRole('heading', { name: '2001-01-02' }).waitFor();
    expect(await page.getByRole('status').last().textContent()).toContain('New result of daily');
  });

  test('goes on where it stopped when the server was away', async () => {
    const worker = await publish(world, 2);
    const { page } = await arriveAs('authority');
    await page.waitForSelector('.state-live');
    await world.restart();
    await world.scene.append(await worker.seal({ emission: 2, table: flightsOf(2) }));
    await page.getByRole('heading', { name: '2001-01-03' }).waitFor();
    expect(await page.locator('.nav-detail').first().textContent()).toBe('3 results');
    expect(await page.locator('[role=alert]').count()).toBe(0);
  });

  test('shows a forged record as refused, and what is behind it', async () => {
    const worker = await publish(world, 1);
    const forger = await world.scene.worker();
    const result = await worker.seal({ emission: 1, table: flightsOf(1) });
    await world.scene.append(await forger.seal({ emission: 1 }), result);
    const { page, complaints } = await arriveAs('authority');
    await page.getByRole('heading', { name: '2001-01-02' }).waitFor();
    await page.getByRole('button', { name: 'See which' }).click();
    await page.getByRole('cell', { name: 'ERR_AGGREGATE_PROOF' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('stops at a gap with its code', async () => {
    const worker = await publish(world, 1);
    await world.scene.append(
      await worker.seal({ emission: 2 }),
      await worker.seal({ emission: 3 }),
    );
    const { page } = await arriveAs('authority');
    const alert = await page.getByRole('alert').textContent();
    expect(alert).toContain('ERR_AGGREGATE_GAP');
    expect(alert).toContain('emission 1 is missing');
    expect(await page.locator('.state-stopped').count()).toBe(1);
    expect(await page.locator('.nav-detail').first().textContent()).toBe('1 result');
  });

  test('says that the contract was ended, and that a result was withheld', async () => {
    const worker = await publish(world, 1);
    const content = { rows: 0, suppressedGroups: 0, withheld: 'too-large' } as const;
    await world.scene.append(await worker.seal({ emission: 1, content }), await worker.notice());
    const { page } = await arriveAs('authority');
    await page.getByRole('heading', { name: 'The contract was ended' }).waitFor();
    await page.getByText('ended by owner north').first().waitFor();
    await page.getByText('This result was withheld.').waitFor();
  });

  test.each([
    ['institute', 'ERR_NOT_A_READER'],
    ['north', 'ERR_IDENTITY_MALFORMED'],
  ] as const)('refuses the key of %s', async (party, code) => {
    const { page } = await arriveAs(party);
    expect(await page.getByRole('alert').textContent()).toContain(code);
  });

  test('is used by keyboard alone', async () => {
    await publish(world, 3);
    const { page } = await arriveAs('authority');
    await page.waitForSelector('.state-live');
    const focused = () => page.evaluate('document.activeElement.textContent');
    const reach = async (text: string) => {
      for (let step = 0; step < 40; step += 1) {
        await page.keyboard.press('Tab');
        if ((await focused()) === text) return;
      }
      throw new Error(`${text} cannot be reached`);
    };
    await reach('Show the proof');
    await page.keyboard.press('Enter');
    await page.locator('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    expect(await focused()).toBe('Show the proof');
    await reach('flights');
    await page.keyboard.press('Enter');
    const head = page.getByRole('columnheader', { name: 'flights' });
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    const numbers = await page.locator('table.rows tbody td.number:nth-child(2)').allTextContents();
    expect(numbers.map(Number)).toEqual(numbers.map(Number).toSorted((a, b) => b - a));
  });

  test('filters groups and windows', async () => {
    await publish(world, WINDOWS);
    const { page } = await arriveAs('authority');
    await page.waitForSelector('.state-live');
    await page.getByLabel('Group contains').fill('sf');
    await page.getByLabel('Until').fill('2001-01-02');
    await page.getByRole('heading', { name: '2001-01-02' }).waitFor();
    expect(await page.locator('table.rows tbody tr').count()).toBe(1);
    expect((await savedBy(page, 'Save as CSV')).toString('utf8').split('2001-01-03T').length).toBe(
      10,
    );
    await page.getByLabel('From').fill('2002-01-01');
    await page.getByText('No window begins within these days.').waitFor();
  });

  test.each([
    [1440, 'dark'],
    [390, 'light'],
  ] as const)('can be read by everybody: %i pixels, %s', async (width, colorScheme) => {
    const worker = await publish(world, 3);
    const moved = await worker.seal({ emission: 3 });
    await world.scene.append({ ...moved, key: 'moved' });
    const { page } = await arrive({ width, colorScheme });
    await page.waitForSelector('#identity');
    const problems = await accessibilityProblems(page);
    await page.setInputFiles('#identity', await world.identityFile('authority'));
    await page.waitForSelector('.state-live');
    problems.push(...(await accessibilityProblems(page)));
    await page.getByRole('button', { name: 'Show the proof' }).click();
    problems.push(...(await accessibilityProblems(page)));
    await page.keyboard.press('Escape');
    for (const view of ['History', 'Verify a file', 'passengers']) {
      await page.locator('nav').getByText(view, { exact: true }).click();
      problems.push(...(await accessibilityProblems(page)));
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      expect([view, wide]).toEqual([view, width]);
    }
    expect(problems).toEqual([]);
  });
});

function cellsOf(columns: VerifiedResult['columns'], name: string) {
  return columns.find((column) => column.name === name)?.cells ?? [];
}
