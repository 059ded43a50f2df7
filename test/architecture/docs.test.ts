import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readText, repositoryPaths } from './source-files.ts';

/** What a page claims and a program can check: paths, links, symbols and codes exist. */

const paths = repositoryPaths();
const pages = paths.filter((path) => path.endsWith('.md') && !path.startsWith('.'));
const known = new Set(paths.flatMap((path) => [path, ...foldersOf(path)]));
const names = new Set(paths.map((path) => posix.basename(path)));
const words = new Set(
  paths
    .filter((path) => path !== 'test/architecture/docs.test.ts')
    .filter((path) => /\.(ts|mjs|json|ya?ml|properties|xml|toml|Dockerfile)$|\/run$/.test(path))
    .flatMap((path) => readText(path).match(/[A-Za-z_$][\w$]*/g) ?? []),
);

function foldersOf(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === '.' ? [] : [folder, ...foldersOf(folder)];
}

/** `a/b.ts`, `a/b/`, `name.ts`: what looks like a path of this repository. */
const FILE = /\.(ts|mjs|json|ya?ml|md|xml|properties)$/;
const AREA =
  /^(packages|services|schemas|scripts|test|docs|deploy)(\/|$)|^(sealing|attestation|protocol)\//;

function brokenReferences(page: string, text: string): string[] {
  const prose = withoutFences(text);
  const quoted = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
  const links = [...prose.matchAll(/\]\(([^)\s]+)[^)]*\)/g)].map((match) => match[1] ?? '');
  return [
    ...quoted.filter((each) => !exists(page, each)),
    ...links.filter((each) => !/^(https?|mailto):/.test(each) && !leads(page, text, each)),
  ];
}

/** To a file or folder from where the page lies; `#place` is a heading there. */
function leads(page: string, text: string, link: string): boolean {
  const [path = '', place] = link.split('#');
  const target = path === '' ? page : posix.join(posix.dirname(page), path).replace(/\/$/, '');
  if (!known.has(target)) return false;
  if (place === undefined || !target.endsWith('.md')) return true;
  return placesOf(target === page ? text : readText(target)).has(place);
}

/** As GitHub makes them of headings: words in lower case with hyphens; a number when it comes again. */
function placesOf(text: string): Set<string> {
  const places = new Set<string>();
  for (const [, heading = ''] of withoutFences(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const words = heading.replaceAll(/\]\([^)]*\)/g, '').toLowerCase();
    const plain = words.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    let place = plain;
    for (let again = 1; places.has(place); again += 1) place = `${plain}-${again}`;
    places.add(place);
  }
  return places;
}

const withoutFences = (text: string) => text.replace(/^```[\s\S]*?^```/gm, '');

function exists(page: string, quoted: string): boolean {
  if (/\s/.test(quoted) || /[<>{}*:@=…‖]/.test(quoted)) return true;
  if (FILE.test(quoted) || AREA.test(quoted)) return isPath(page, quoted);
  if (/^(ERR_)?[A-Za-z][\w$]*(\(\))?$/.test(quoted) && isSymbol(quoted)) {
    return words.has(quoted.replace('()', ''));
  }
  return true;
}

/** camelCase, PascalCase, UPPER_CASE: names of ours; plain words are just emphasised. */
function isSymbol(quoted: string): boolean {
  return /[a-z][A-Z]|_[A-Z]|\(\)$/.test(quoted);
}

function isPath(page: string, path: string): boolean {
  const clean = path.replace(/\/$/, '');
  const asExport = clean.replace(/^(\w[\w-]*)\/(.+)$/, 'packages/$1/src/$2');
  const candidates = [
    clean,
    posix.join(posix.dirname(page), clean),
    asExport,
    `${asExport}.ts`,
    posix.join(posix.dirname(page), 'src', clean),
  ];
  return candidates.some((each) => known.has(each)) || (!clean.includes('/') && names.has(clean));
}

describe('pages tell the truth', () => {
  test.each(pages)('%s', (page) => {
    expect(brokenReferences(page, readText(page))).toEqual([]);
  });

  test('every ADR is numbered without a gap', () => {
    const numbers = paths
      .filter((path) => path.startsWith('docs/adr/'))
      .map((path) => Number(posix.basename(path).slice(0, 4)));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  test('the changelog has an Unreleased part and a Wire heading', () => {
    const headings = readText('CHANGELOG.md').match(/^#+ .*$/gm);
    expect(headings).toEqual(expect.arrayContaining(['## Unreleased', '### Wire']));
  });

  test('CONTRIBUTING fits on one page', () => {
    expect(readText('CONTRIBUTING.md').split('\n').length).toBeLessThanOrEqual(60);
  });
});

describe('canaries', () => {
  test.each([
    ['`packages/protocol/src/gone.ts`'],
    ['`gone-for-ever.ts`'],
    ['`sealTheMoon`'],
    ['`ERR_NEVER_HEARD_OF`'],
    ['[x](docs/gone.md)'],
    ['[x](errors.md)'],
    ['[x](#gone)\n## here'],
    ['[x](docs/privacy.md#gone)'],
  ])('finds %s', (text) => {
    expect(brokenReferences('README.md', text)).toHaveLength(1);
  });

  test.each([
    ['`packages/protocol/src/limits.ts`, `limits.ts`, `packages/protocol`'],
    ['`npm run demo`, `--json`, `final`, `parseContract`, `ERR_USAGE`'],
    ['[x](LICENSE), [y](docs/adr)'],
    ['[x](#a-place-1), [y](docs/operations.md#slices)\n## A `place`\n## [A place](LICENSE)!'],
  ])('allows %s', (text) => {
    expect(brokenReferences('README.md', text)).toEqual([]);
  });
});
