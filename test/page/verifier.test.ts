import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { browserPath, openBrowser } from './chromium.ts';
import { publish, savedBy, visit } from './page-visit.ts';
import { openPageWorld, type PageWorld } from './page-world.ts';

/** Anybody's view: a file in, what it proves out, while the server and the network are away. */

let browser: Browser;
let world: PageWorld;
let page: Page;
let file: string;

beforeAll(async () => {
  if (browserPath === undefined) return;
  browser = await openBrowser();
  world = await openPageWorld();
  await publish(world, 3);
  const reader = await visit(browser, world);
  await reader.page.setInputFiles('#identity', await world.identityFile('authority'));
  await reader.page.waitForSelector('.state-live');
  await reader.page.getByRole('button', { name: 'Show the proof' }).click();
  file = (await savedBy(reader.page, 'Save with its proof')).toString('utf8');
  await reader.context.close();
  const stranger = await visit(browser, world);
  page = stranger.page;
  await page.getByRole('button', { name: 'verify a saved result' }).click();
  await stranger.context.setOffline(true);
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

const check = async (text: string) =>
  page.setInputFiles('#saved', await world.fileWith('saved.json', text));

describe.runIf(browserPath !== undefined)('a saved result', () => {
  test('says what it proves and what not, and keeps its rows, without a key', async () => {
    await check(file);
    await page.getByRole('heading', { name: 'Proven: daily, 2001-01-03' }).waitFor();
    const said = await page.locator('main').textContent();
    expect(said).toContain('build 1, measurement');
    expect(said).toContain('flights-north: 3 batches of stream');
    expect(said).toContain('sealed to authority');
    expect(said).toContain('Not proven by this file');
    expect(said).not.toContain('ATL');
  });

  test('is opened by its reader, and by nobody else', async () => {
    await check(file);
    await page.setInputFiles('#verify-identity', await world.identityFile('institute'));
    await page.getByRole('alert').getByText('ERR_NOT_A_READER').waitFor();
    await check(file);
    await page.setInputFiles('#verify-identity', await world.identityFile('authority'));
    await page.getByRole('rowheader', { name: 'ATL' }).waitFor();
  });

  test.each([
    ['no JSON', () => '{', 'ERR_SAVED_RESULT'],
    ['a signature of a party less', withoutSignature, 'ERR_CONTRACT_UNSIGNED'],
    ['another byte in the rows', withOtherByte, 'ERR_AGGREGATE_MALFORMED'],
    ['no proof', withoutProof, 'ERR_AGGREGATE_PROOF'],
  ])('with %s is refused', async (_name, change, code) => {
    await check(change());
    await page.getByRole('alert').getByText(code).waitFor();
  });
});

function withoutSignature(): string {
  const saved = JSON.parse(file);
  saved.contract.signatures.pop();
  return JSON.stringify(saved);
}

function withOtherByte(): string {
  const saved = JSON.parse(file);
  const { value } = saved.records.at(-1);
  saved.records.at(-1).value = `${value.startsWith('A') ? 'B' : 'A'}${value.slice(1)}`;
  return JSON.stringify(saved);
}

function withoutProof(): string {
  const saved = JSON.parse(file);
  saved.records[0].value = saved.records[0].value.slice(4);
  return JSON.stringify(saved);
}
