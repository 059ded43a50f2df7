import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { pageFolderOf } from './page-assets.ts';

/**
 * Bundles a page out of its sources, into `dist/page` of its package. The same sources give the
 * same bytes.
 * @param packageFolder of the service, with a slash at its end
 * @param pageFolder its `main.ts`, `style.css` and `index.html`, from there
 * @param more for a page that runs what was written for Node
 */
export async function buildPage(
  packageFolder: URL,
  pageFolder: string,
  more: Pick<BuildOptions, 'alias' | 'inject'> = {},
): Promise<void> {
  const file = (name: string) => fileURLToPath(new URL(`${pageFolder}/${name}`, packageFolder));
  const outdir = pageFolderOf(packageFolder);
  await mkdir(outdir, { recursive: true });
  await build({
    entryPoints: [
      { in: file('main.ts'), out: 'app' },
      { in: file('style.css'), out: 'app' },
    ],
    outdir,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    conditions: ['strongroom:source', 'browser'],
    logLevel: 'warning',
    ...more,
  });
  const icon = fileURLToPath(new URL('../icon.svg', import.meta.url));
  await copyFile(icon, join(outdir, 'icon.svg'));
  await copyFile(file('index.html'), join(outdir, 'index.html'));
}
