import { writeFile } from 'node:fs/promises';
import { Int32, Table, Utf8, vectorFromArray } from 'apache-arrow';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createScene } from '../../services/analyst/test/scene.ts';
import { browserPath, openBrowser } from './chromium.ts';
import { accessibilityProblems, savedBy, type VisitOptions, visit } from './page-visit.ts';
import { openPageWorld, type PageWorld, withNoise } from './page-world.ts';

/** A map where a column is of known place codes, without anybody else's server. */

let browser: Browser;
let world: PageWorld;

function tableOf(name: string, values: Readonly<Record<string, number | null>>): Table {
  return new Table({
    [name]: vectorFromArray(Object.keys(values), new Utf8()),
    flights: vectorFromArray(Object.values(values), new Int32()),
  });
}

const AIRPORTS = tableOf('origin', {
  ...{ ATL: 412, BOS: 133, DEN: 240, JFK: 301, LAX: 378, ORD: 355, SEA: 148, SFO: 190 },
  ...{ MIA: 122, HNL: 41, ANC: 12, ZZZ: 7, 'all others': 96 },
});
const COUNTRIES = tableOf('country', {
  ...{ DE: 512, FR: 430, IT: 391, ES: 377, PL: 120, SE: 88, NO: 61, PT: 97, GR: 74, AT: 66 },
  ...{ GB: 455, IE: 58, MT: 9, US: 640, BR: 210, JP: 333, ZA: 44 },
});

beforeAll(async () => {
  if (browserPath === undefined) return;
  browser = await openBrowser();
  const scene = await createScene(withNoise);
  world = await openPageWorld({ scene });
  const worker = await scene.worker();
  await scene.append(
    worker.tokenRecord,
    await worker.seal({ query: 'daily', table: AIRPORTS }),
    await worker.seal({ query: 'total', table: COUNTRIES }),
  );
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

async function reading(query: string, options: VisitOptions = {}) {
  const visited = await visit(browser, world, options);
  const { page } = visited;
  await page.setInputFiles('#identity', await world.identityFile('authority'));
  await page.waitForSelector('.state-live');
  await page.locator('nav').getByText(query, { exact: true }).click();
  await page.locator('.map-figure > svg').waitFor();
  return visited;
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** The colour that most of them have. */
  readonly most: string;
  readonly colours: number;
}

/** Decoded by the browser itself. */
async function pixelsOf(page: Page, picture: Buffer): Promise<Pixels> {
  return await page.evaluate(`(async () => {
    const text = atob('${picture.toString('base64')}');
    const bytes = Uint8Array.from(text, (each) => each.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const { width, height } = image;
    const context = new OffscreenCanvas(width, height).getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const counts = new Map();
    for (let at = 0; at < data.length; at += 4) {
      const colour = 'rgb(' + [...data.subarray(at, at + 3)].join(', ') + ')';
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    const [[most]] = [...counts].sort(([, one], [, other]) => other - one);
    return { width, height, most, colours: counts.size };
  })()`);
}

const titles = (page: Page, mark: string) => page.locator(`${mark} title`).allTextContents();

describe.runIf(browserPath !== undefined)('a map', () => {
  test('has a circle at each airport, and says what it has no place for', async () => {
    const { page, context, hosts, complaints } = await reading('daily');
    expect(await titles(page, '.map-circle')).toHaveLength(11);
    expect(await titles(page, '.map-circle')).toContain('ATL: 412');
    expect(await page.locator('.map figcaption').textContent()).toContain(
      'Not on the map: ZZZ, all others.',
    );
    // The table stays, with all of it.
    await page.getByRole('rowheader', { name: 'ZZZ' }).waitFor();
    expect([...hosts]).toEqual([new URL(world.url).host]);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('has shades for countries, and follows what is asked for', async () => {
    const { page, context } = await reading('total');
    expect(await titles(page, '.map-area')).toContain('Germany (DE): 512');
    expect(await page.locator('.map figcaption').textContent()).toContain('Not on the map: MT.');
    await page.getByLabel('Group').fill('P');
    await expect.poll(() => titles(page, '.map-area')).toHaveLength(3);
    await context.close();
  });

  test.each([
    ['daily', 'light'],
    ['total', 'dark'],
  ] as const)('is saved as a picture of what is shown: %s, %s', async (query, colorScheme) => {
    const { page, context, complaints } = await reading(query, { colorScheme });
    const picture = await savedBy(page, 'Save the map as PNG');
    if (process.env['STRONGROOM_PICTURES']) {
      await writeFile(`${process.env['STRONGROOM_PICTURES']}/map-${query}.png`, picture);
    }
    const { width, height, most, colours } = await pixelsOf(page, picture);
    expect([width, height > 900 && height < 1_200]).toEqual([1_504, true]);
    expect(most).toBe(
      await page.evaluate(
        "getComputedStyle(document.querySelector('.map-figure > svg')).backgroundColor",
      ),
    );
    // Land, marks and writing, and the shades between them where edges are smooth.
    expect(colours).toBeGreaterThan(50);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test.each([
    [1440, 'dark'],
    [390, 'light'],
  ] as const)('can be read by everybody: %i pixels, %s', async (width, colorScheme) => {
    const { page, context } = await reading('total', { width, colorScheme });
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    // By keyboard it goes away and comes back.
    await page.locator('.map summary').focus();
    await page.keyboard.press('Enter');
    await page.locator('.map-figure').waitFor({ state: 'hidden' });
    await page.keyboard.press('Enter');
    await page.locator('.map-figure').waitFor();
    await context.close();
  });
});
