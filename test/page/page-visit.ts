import { readFile } from 'node:fs/promises';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { flightsOf, noisyOf, type PageWorld } from './page-world.ts';

/** One visit of the page: what it complained about, whom it asked, and what went over the wire. */
export interface Visit {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly complaints: string[];
  readonly hosts: Set<string>;
  readonly wire: () => string;
}

export interface VisitOptions {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
}

const WAIT_MS_MAX = 10_000;

export async function visit(
  browser: Browser,
  { url }: { readonly url: string },
  { width = 1440, colorScheme = 'light' }: VisitOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS_MAX);
  const [complaints, hosts] = [[] as string[], new Set<string>()];
  let wire = '';
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    hosts.add(new URL(request.url()).host);
    wire += JSON.stringify([request.url(), request.headers(), request.postData()]);
  });
  await page.goto(url);
  return { context, page, complaints, hosts, wire: () => wire };
}

/** What axe finds against WCAG 2.2 AA, one line a rule. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found: { id: string; nodes: { html: string }[] }[] = await page.evaluate(
    `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
      .then(({ violations }) => violations)`,
  );
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** The file that a button saves. */
export async function savedBy(page: Page, button: string): Promise<Buffer> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: button }).click(),
  ]);
  return readFile(await download.path());
}

const HIDDEN = [40, 2].map(() => ({ rows: null, lateRows: null, retractedRows: 0 }));

/** So many windows of two queries, the second with noise. */
export async function publish({ scene }: PageWorld, windows: number) {
  const worker = await scene.worker();
  await scene.append(worker.tokenRecord);
  for (let emission = 0; emission < windows; emission += 1) {
    const content = { suppressedGroups: emission % 2 };
    await scene.append(await worker.seal({ emission, table: flightsOf(emission), content }));
    const noisy = { query: 'passengers', emission, table: noisyOf(emission) };
    const hidden = { suppressedGroups: 0, inputs: HIDDEN };
    await scene.append(await worker.seal({ ...noisy, content: hidden }));
  }
  return worker;
}
