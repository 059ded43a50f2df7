import { fileURLToPath } from 'node:url';
import { buildPage } from '@strongroom/page/server/build-page';
import { pageFolderOf } from '@strongroom/page/server/page-assets';
import { writePlaces } from './build-places.ts';

/**
 * Builds the page out of the sources that the command runs too:
 *
 *   node --conditions=strongroom:source services/analyst/src/build-page-main.ts
 *
 * What they need of Node is `packages/browser`'s.
 */

const inBrowser = (name: string) =>
  fileURLToPath(new URL(`../../../packages/browser/src/${name}.ts`, import.meta.url));

const packageFolder = new URL('../', import.meta.url);
await buildPage(packageFolder, 'src/page', {
  alias: {
    'node:assert/strict': inBrowser('assert'),
    'node:crypto': inBrowser('crypto'),
    'node:timers/promises': inBrowser('timers'),
    'node:util': inBrowser('inspection'),
  },
  inject: [inBrowser('globals')],
});
await writePlaces(pageFolderOf(packageFolder));
