import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf } from './imports.ts';
import type { Violation } from './layers.ts';
import { isTest, repositoryPaths, resolveRelative, typescriptFiles } from './source-files.ts';
import { tidyCode } from './tidy-code.ts';
import { textViolations, tidyText } from './tidy-text.ts';

const files = typescriptFiles();
const show = (found: readonly Violation[]) =>
  found.map(({ path, line, message }) => `${path}:${line} ${message}`);

/** Folders and files; another one is a decision, and belongs in README or ARCHITECTURE too. */
const TOP_LEVEL: ReadonlySet<string> = new Set([
  ...['packages', 'services', 'test', 'docs', 'schemas', 'deploy', 'examples', 'scripts', '.ci'],
  'bin',
  ...['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'GLOSSARY.md', 'CHANGELOG.md'],
  ...['CONTRIBUTING.md', 'LICENSE', 'docker-compose.yml', 'package.json', 'biome.json'],
  ...['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'tsconfig.json', 'tsconfig.base.json'],
  ...['tsconfig.tests.json', 'vitest.config.ts', 'knip.json', '.npmrc', '.gitignore'],
  '.dockerignore',
]);

describe('tidy', () => {
  test('TypeScript follows the rules of the house', () => {
    expect(show(files.flatMap(tidyCode))).toEqual([]);
  });

  test('every committed text names only hosts, paths and issues that mean something', () => {
    expect(show(repositoryPaths().flatMap(tidyText))).toEqual([]);
  });

  test('files are named for what they hold', () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc|types)(\.ts$|\/)/;
    const named = repositoryPaths().filter((path) => vague.test(path) || /[A-Z].*\.ts$/.test(path));
    expect(named).toEqual([]);
  });

  test('the top level holds what its plan shows, and no folder what a tool left behind', () => {
    const left = /\.(log|cpuprofile|heapprofile|heapsnapshot|tmp|orig|rej|tgz)$/;
    const stray = repositoryPaths().filter(
      (path) => !TOP_LEVEL.has(path.split('/')[0] ?? '') || left.test(path),
    );
    expect(stray).toEqual([]);
  });

  test('every source file is loaded by something other than a test', () => {
    expect(deadFiles()).toEqual([]);
  });
});

/** Sources that no other file loads, that start no process, and that no program is offered. */
function deadFiles(): string[] {
  const loaded = new Set(files.flatMap(loadedBy));
  const entry = /\/(main[\w.]*|[\w-]*main|[\w-]+\.insecure|src\/index)\.ts$/;
  return (
    files
      .map(({ path }) => path)
      .filter((path) => !isTest(path) && !loaded.has(path) && !entry.test(path))
      // The build of the analyst's page puts them in Node's place, by their names.
      .filter((path) => !path.startsWith('packages/browser/src/'))
  );
}

function loadedBy(file: { readonly path: string; readonly text: string }): string[] {
  const fromTest = file.path.endsWith('.test.ts');
  return importsOf(file).flatMap(({ specifier }) => {
    const [, name, rest] = /^@strongroom\/([^/]+)\/(.+)$/.exec(specifier) ?? [];
    const target =
      name === undefined
        ? resolveRelative(file.path, specifier)
        : `packages/${name}/src/${rest}.ts`;
    // The testkit exists for tests; everything else needs a reader that ships.
    return fromTest && !target.startsWith('packages/testkit/') ? [] : [posix.normalize(target)];
  });
}

describe('canaries', () => {
  const path = 'services/producer/src/x.ts';
  test.each([
    ['console.log(1);'],
    ['const x = Math.random();'],
    ['const x = Date.now();'],
    ['const x = new Date();'],
    ['const x = z.object({});'],
    ["throw new Error('x');"],
    ['test.only(() => {});'],
    ["describe.only('x', () => {});"],
    ["const x = createCipheriv('aes-256-gcm', secret, nonce);"],
    ['function f(batch: string) {}'],
    ['const key = 1;'],
    ['class LogManager {}'],
    ['type Batch = string;'],
    [`const x = ${'1 + '.repeat(40)}1;`],
    [`function f() {\n${'  f();\n'.repeat(70)}}`],
    [`const f = () => {\n${'  f();\n'.repeat(70)}};`],
    ['//\n'.repeat(301)],
  ])('finds %j', (text) => {
    expect(tidyCode({ path, text })).toHaveLength(1);
  });

  test.each([
    ['const x = new Date(0);'],
    ["const x = 'Math.random console.log Date.now';"],
    ['const recordKey = 1;'],
    [`describe('x', () => {\n${'  f();\n'.repeat(70)}});`],
    [`// Has more than 300 lines because.\n${'//\n'.repeat(301)}`],
  ])('allows %j', (text) => {
    expect(tidyCode({ path, text })).toEqual([]);
  });

  test('finds Buffer where bytes must be plain', () => {
    const text = "const x = Buffer.from('');";
    expect(tidyCode({ path: 'packages/protocol/src/x.ts', text })).toHaveLength(1);
    expect(tidyCode({ path, text })).toEqual([]);
  });

  test.each([
    ['https://registry.somewhere.dev/zod'],
    ['tarball: http://user:secret@10.mirror.dev/x'],
    ['// TODO: later'],
    ['cat /root/.netrc'],
    ['<<<<<<< ours'],
  ])('finds in a text: %s', (text) => {
    expect(textViolations('x.md', text)).toHaveLength(1);
  });

  test('allows in a text: reserved names, this machine, and a TODO with its issue', () => {
    const text = 'https://vault.owner.example http://127.0.0.1:9 http://kafka:9 TODO(#4)';
    expect(textViolations('x.md', text)).toEqual([]);
  });
});
