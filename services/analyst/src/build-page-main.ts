import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { PAGE_FOLDER } from './page-assets.ts';

/**
 * Builds the page out of the sources that the command runs too:
 *
 *   node --conditions=strongroom:source services/analyst/src/build-page-main.ts
 *
 * What they need of Node is `packages/browser`'s. The same sources give the same bytes.
 */

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const inBrowser = (name: string) => file(`../../../packages/browser/src/${name}.ts`);

await mkdir(PAGE_FOLDER, { recursive: true });
await build({
  entryPoints: [
    { in: file('page/main.ts'), out: 'app' },
    { in: file('page/style.css'), out: 'app' },
  ],
  outdir: PAGE_FOLDER,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  conditions: ['strongroom:source', 'browser'],
  alias: {
    'node:assert/strict': inBrowser('assert'),
    'node:crypto': inBrowser('crypto'),
    'node:timers/promises': inBrowser('timers'),
    'node:util': inBrowser('inspection'),
  },
  inject: [inBrowser('globals')],
  logLevel: 'warning',
});
for (const name of ['index.html', 'icon.svg']) {
  await copyFile(file(`page/${name}`), join(PAGE_FOLDER, name));
}
