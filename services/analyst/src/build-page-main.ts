import { fileURLToPath } from 'node:url';
import { buildPage } from '@strongroom/page/server/build-page';

/**
 * Builds the page out of the sources that the command runs too:
 *
 *   node --conditions=strongroom:source services/analyst/src/build-page-main.ts
 *
 * What they need of Node is `packages/browser`'s.
 */

const inBrowser = (name: string) =>
  fileURLToPath(new URL(`../../../packages/browser/src/${name}.ts`, import.meta.url));

await buildPage(new URL('../', import.meta.url), 'src/page', {
  alias: {
    'node:assert/strict': inBrowser('assert'),
    'node:crypto': inBrowser('crypto'),
    'node:timers/promises': inBrowser('timers'),
    'node:util': inBrowser('inspection'),
  },
  inject: [inBrowser('globals')],
});
