import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser as openPage } from '../../packages/page/src/server/open-browser.ts';
import { outside } from '../../services/cli/test/run-strongroom.ts';
import { browserPath, openBrowser } from './chromium.ts';
import { type OwnerWorld, openOwnerWorld } from './owner-world.ts';
import { accessibilityProblems, savedBy, type Visit, visit } from './page-visit.ts';

/** The owner's page in a real browser, before a real key release service. */

let browser: Browser;
let world: OwnerWorld;
const visits: Visit[] = [];

beforeAll(async () => {
  if (browserPath === undefined) return;
  [browser, world] = await Promise.all([openBrowser(), openOwnerWorld()]);
}, 120_000);
afterEach(async () => {
  for (const { context } of visits.splice(0)) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

async function arrive(options = {}, url = world.url): Promise<Visit> {
  const arrived = await visit(browser, { url }, options);
  visits.push(arrived);
  return arrived;
}

const VIEWS = [
  ['Overview', 'Northern Airports'],
  ['What was counted', 'Results that counted your rows'],
  ['Who asked for keys', 'Who asked for keys'],
  ['Budgets', 'What was paid for'],
  ['Contract', 'Pending: version 2'],
  ['Proofs', 'Where is my data now?'],
] as const;

describe.runIf(browserPath !== undefined)("the owner's page", () => {
  test('shows what the service and the log say, and nothing of a secret', async () => {
    const { page, context, complaints, hosts, wire } = await arrive();
    await page.getByRole('rowheader', { name: 'flights-north' }).waitFor();
    expect(await page.getByRole('cell', { name: '7,224' }).count()).toBe(1);
    await page.getByText('A key was released').first().waitFor();
    const shown: string[] = [];
    for (const [view, heading] of VIEWS) {
      await page.locator('nav').getByText(view, { exact: true }).click();
      await page.getByRole('heading', { name: heading }).first().waitFor();
      shown.push(await page.content());
    }
    const all = shown.join('\n');
    expect(all).toContain('2</strong> of epsilon 5 left');
    expect(all).toContain('the minimum group of query daily falls from 20 to 10 rows');
    expect(all).toContain('ERR_POLICY_DENIED');
    for (const secret of world.secrets) {
      for (const place of [all, wire(), world.logged()]) expect(place).not.toContain(secret);
    }
    // The secret of the address is sent in a header, and stands in no page, log or address.
    expect(all + world.logged() + page.url()).not.toContain(world.secret);
    expect([...hosts]).toEqual([new URL(world.origin).host]);
    expect(await context.cookies()).toEqual([]);
    expect(complaints).toEqual([]);
    await page.reload();
    await page.getByRole('rowheader', { name: 'flights-north' }).waitFor();
  });

  test('is reached by the file that --open hands to a browser', async () => {
    let file = '';
    const leave: (() => Promise<void>)[] = [];
    await openPage(world.url, (work) => leave.push(work), {
      ...{ platform: 'darwin', environment: {}, isTerminal: true },
      run: async (_program, [opened]) => {
        file = opened ?? '';
        return 0;
      },
    });
    const { page } = await arrive({}, file);
    await page.getByRole('rowheader', { name: 'flights-north' }).waitFor();
    expect(page.url()).toBe(`${world.origin}/`);
    for (const work of leave) await work();
  });

  test('says nothing to whoever has not got the address', async () => {
    const { page } = await arrive({}, world.origin);
    await page.getByRole('heading', { name: 'This page needs its address' }).waitFor();
    expect(await page.content()).not.toContain('Northern');
    const wrong = await arrive({}, `${world.origin}/#guessed`);
    await wrong.page.getByRole('heading', { name: 'This page needs its address' }).waitFor();
  });

  test.each([
    [1440, 'dark'],
    [390, 'light'],
  ] as const)('can be read by everybody: %i pixels, %s', async (width, colorScheme) => {
    const { page } = await arrive({ width, colorScheme });
    await page.getByRole('rowheader', { name: 'flights-north' }).waitFor();
    const problems: string[] = [];
    for (const [view, heading] of VIEWS) {
      await page.locator('nav').getByText(view, { exact: true }).click();
      await page.getByRole('heading', { name: heading }).first().waitFor();
      problems.push(...(await accessibilityProblems(page)));
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      expect([view, wide]).toEqual([view, width]);
    }
    await page.locator('nav').getByText('Overview', { exact: true }).click();
    await page.getByRole('button', { name: 'End this contract…' }).click();
    problems.push(...(await accessibilityProblems(page)));
    expect(problems).toEqual([]);
  });

  test('says why there is no evidence, and saves what there is', async () => {
    const { page } = await arrive();
    await page.locator('nav').getByText('Proofs', { exact: true }).click();
    await page.getByRole('button', { name: 'Ask now' }).click();
    await page.getByRole('alert').getByText('ERR_SERVICE_UNREACHABLE').waitFor();
    const bundle = JSON.parse((await savedBy(page, 'Save the bundle')).toString('utf8'));
    expect(Object.keys(bundle)).toEqual(
      expect.arrayContaining(['contracts', 'audit', 'uses', 'owner']),
    );
  });

  test('shows accepted evidence, and a bundle with it that others can verify', async () => {
    const { page } = await arrive();
    world.answering(true);
    await page.locator('nav').getByText('Proofs', { exact: true }).click();
    await page.getByRole('button', { name: 'Ask now' }).click();
    await page.getByText('Yes: fresh evidence shows the code and the machine').waitFor();
    const shown = await page.locator('main').textContent();
    for (const part of ['build 8, measurement', 'NOT HARDWARE', '7224 rows in 6 batches']) {
      expect(shown).toContain(part);
    }
    expect(shown).toContain('no list was given');
    world.listing();
    await page.getByRole('button', { name: 'Ask now' }).click();
    await page.getByText('checked against the list of').waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    const bundle = await savedBy(page, 'Save the bundle');
    const file = join(world.vault.folder, 'north.proofs.json');
    await writeFile(file, bundle);
    const verified = await outside('owner', 'verify', file, '--simulated-roots', world.roots);
    expect(verified).toMatchObject({
      exitCode: 0,
      data: {
        owner: 'north',
        audit: { owner: 'north' },
        uses: { entries: 7 },
        evidence: { accepted: true, code: { name: 'build 8' }, revocationList: { revoked: 0 } },
      },
    });
    world.answering(false);
  });

  // The last one: it ends what the others look at.
  test('ends the contract by keyboard, when its owner has typed its name', async () => {
    const { page } = await arrive();
    const button = page.getByRole('button', { name: 'End this contract…' });
    await button.focus();
    await page.keyboard.press('Enter');
    await page.locator('dialog').waitFor();
    expect(await page.locator('dialog').textContent()).toContain('It ends for everybody');
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    await button.click();
    const end = page.getByRole('button', { name: 'End it for good' });
    const field = page.getByLabel('Type north to confirm');
    await field.fill('south');
    expect(await end.isDisabled()).toBe(true);
    await field.fill('north');
    await expect.poll(() => end.isDisabled()).toBe(false);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'You have ended this contract' }).waitFor();
    expect(await button.count()).toBe(0);
    const entries = await world.vault.entries();
    expect(entries.filter(({ event }) => event === 'contract-revoked')).toHaveLength(1);
  });
});
