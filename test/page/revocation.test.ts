import type { RevocationLists } from '@strongroom/attestation/verify';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AttestedScene,
  createAttestedScene,
} from '../../services/analyst/test/attested-scene.ts';
import { browserPath, openBrowser } from './chromium.ts';
import { accessibilityProblems, savedBy, visit } from './page-visit.ts';
import { openPageWorld, type PageWorld, withNoise } from './page-world.ts';

/** AMD's revocation lists on the page: asked for by its server, judged in the browser. */

let browser: Browser;
let attested: AttestedScene;
let world: PageWorld;
let given: RevocationLists = {};
let file = '';

beforeAll(async () => {
  if (browserPath === undefined) return;
  browser = await openBrowser();
  attested = await createAttestedScene({}, withNoise);
  const { scene, roots, worker } = attested;
  const revocation = { listsFor: async () => given };
  world = await openPageWorld({ scene, simulatedPins: roots.pins, revocation });
  const started = await worker();
  await scene.append(started.tokenRecord, await started.seal());
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

async function reading(): Promise<Page> {
  const { page } = await visit(browser, world);
  await page.setInputFiles('#identity', await world.identityFile('authority'));
  await page.waitForSelector('.state-live');
  return page;
}

async function proofShown(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Show the proof' }).click();
  return (await page.getByRole('dialog').textContent()) ?? '';
}

const list = (...asked: Parameters<AttestedScene['platform']['revocationList']>) =>
  attested.platform.revocationList(...asked);

describe.runIf(browserPath !== undefined)('revocation lists', () => {
  test('that are not there are said not to be there', async () => {
    given = {};
    const page = await reading();
    expect(await proofShown(page)).toContain('no list was given');
    await page.context().close();
  });

  test('are judged by the page, told by date, and saved with the result', async () => {
    given = { revocationLists: [list('Genoa', { revoked: ['asvk'] })] };
    const page = await reading();
    expect(await proofShown(page)).toMatch(
      /checked against the list of \d{4}-\d\d-\d\d, 1 revoked/,
    );
    file = (await savedBy(page, 'Save with its proof')).toString('utf8');
    expect(JSON.parse(file).revocationLists).toHaveLength(1);
    await page.context().close();
  });

  test.each([
    ['that revoke', () => [list('Genoa', { revoked: ['ask'] })]],
    ['that another key has signed', () => [list('Genoa', { signedByAsk: true })]],
  ])('%s leave nothing to be read', async (_name, lists) => {
    given = { revocationLists: lists() };
    const page = await reading();
    await page.getByText('ERR_CERTIFICATE_CHAIN').first().waitFor();
    await page.context().close();
  });

  test('come with a saved result, and a newer one by hand, without a network', async () => {
    const { page, context } = await visit(browser, world);
    await page.getByRole('button', { name: 'verify a saved result' }).click();
    await context.setOffline(true);
    await page.setInputFiles('#saved', await world.fileWith('saved.json', file));
    await page.getByText(/checked against the list of .*, 1 revoked/).waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    const newer = list('Genoa', { revoked: ['ask'] });
    await page.setInputFiles('#revocation-list', await world.fileWith('Genoa.crl', newer));
    await page.getByRole('alert').getByText('ERR_CERTIFICATE_CHAIN').waitFor();
    await context.close();
  });
});
