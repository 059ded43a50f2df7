import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path, { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import parseExpression from 'spdx-expression-parse';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { packagesIn } from '../../scripts/image-packages.ts';
import {
  archiveHash,
  type ReferenceValues,
  referenceValues,
  VALUES_FILE,
  ValuesSchema,
} from '../../scripts/write-reference-values.ts';
import { sbomOf } from '../../scripts/write-sbom.ts';
import { treeHash } from '../../services/cli/src/tree-hash.ts';

/**
 * The worker's image without Docker: what assemble.sh makes of one build is the same bytes wherever
 * and by whom it is made, it runs, and its bill of materials lists what is in it. Half a minute on
 * a quiet machine, most of it for copying 220 MB: nothing less shows that images are reproducible.
 */

const ROOT = path.resolve(import.meta.dirname, '../..');
const WORKER = 'services/enclave-worker';
/** Under which something may come into the enclave; another licence is for a person to judge. */
const LICENCES = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT'];

/** As `tsc` leaves it when a source is renamed. */
const OF_NO_SOURCE = 'packages/protocol/dist/renamed-since.js';

const scratch = mkdtempSync(join(tmpdir(), 'strongroom-image-'));
const one = join(scratch, 'one');
const other = join(scratch, 'a folder whose name is longer', 'and deeper', 'other');

beforeAll(() => {
  build(ROOT);
  writeFileSync(join(ROOT, OF_NO_SOURCE), '');
  assemble(ROOT, one, {});
  const copy = join(scratch, 'checkout', 'of', 'somebody', 'else');
  copyCheckout(copy, process.env['STRONGROOM_LONG'] === '1');
  assemble(copy, other, { TZ: 'Pacific/Auckland', LC_ALL: 'C.UTF-8' }, '077');
}, 300_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }), 300_000);

function build(checkout: string): void {
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-b', WORKER], {
    cwd: checkout,
    stdio: 'pipe',
  });
}

function assemble(checkout: string, target: string, env: object, umask = '022'): void {
  mkdirSync(dirname(target), { recursive: true });
  const script = `umask ${umask}; exec deploy/images/assemble.sh "$0" enclave-worker`;
  execFileSync('sh', ['-c', script, target], {
    cwd: checkout,
    stdio: 'pipe',
    env: { ...process.env, ...env },
  });
}

/** With what was built; for the long run its sources, which are then built there. */
function copyCheckout(to: string, fromSources: boolean): void {
  const left = new Set([
    'node_modules',
    '.git',
    '.strongroom',
    ...(fromSources ? ['dist'] : ['src']),
  ]);
  cpSync(ROOT, to, {
    recursive: true,
    filter: (source) => !left.has(basename(source)) && !source.endsWith('.tsbuildinfo'),
  });
  if (!fromSources) {
    symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'));
    return;
  }
  const install = ['install', '--offline', '--frozen-lockfile'];
  execFileSync('pnpm', install, { cwd: to, stdio: 'pipe', env: { ...process.env, CI: 'true' } });
  build(to);
}

describe('two assemblies in different folders', () => {
  test('hold the same files, with the same content and the same right to execute', () => {
    const [left, right] = [treeHash(one), treeHash(other)];
    expect(left.files).toBeGreaterThan(1_000);
    expect(right).toEqual(left);
  });

  test('are the same archive, byte for byte, and another one after a change', () => {
    const archive = archiveHash(one);
    expect(archiveHash(other)).toBe(archive);
    writeFileSync(join(other, WORKER, 'dist/main.js'), '\n', { flag: 'a' });
    expect(archiveHash(other)).not.toBe(archive);
  });

  test('have nothing of a source that is gone', () => {
    expect(existsSync(join(one, dirname(OF_NO_SOURCE)))).toBe(true);
    expect(existsSync(join(one, OF_NO_SOURCE))).toBe(false);
  });

  test('know nothing of where they were made', () => {
    const found = readdirSync(one, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(js|json|ya?ml)$|^[^.]+$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => readFileSync(file).includes(scratch));
    expect(found).toEqual([]);
  });
});

test('the image runs', () => {
  const help = execFileSync(
    process.execPath,
    [join(one, WORKER, 'dist/main.js'), 'start', '--help'],
    {
      cwd: scratch,
      encoding: 'utf8',
    },
  );
  expect(help).toContain('--contract');
});

describe('reference values', () => {
  const committed = ValuesSchema.parse(JSON.parse(readFileSync(join(ROOT, VALUES_FILE), 'utf8')));
  const released = !readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8').includes('## Unreleased');

  /** Older sources are no error while nothing of them is released. */
  const isRight = (values: ReferenceValues, now: ReferenceValues, strict: boolean) =>
    values.sources === now.sources || strict
      ? JSON.stringify(values) === JSON.stringify(now)
      : ValuesSchema.safeParse(values).success;

  let now: ReferenceValues;
  beforeAll(() => {
    now = referenceValues(one);
  });

  test('are of these sources', ({ skip }) => {
    if (committed.sources !== now.sources && !released) {
      const until = 'allowed until a release, when CHANGELOG.md has no "Unreleased"';
      process.stderr.write(`SKIPPED: ${VALUES_FILE} is STALE, of older sources: ${until}\n`);
      skip('of older sources');
    }
    expect(committed.sources).toBe(now.sources);
  });

  test('are what is measured now, wherever they are of these sources or of a release', ({
    skip,
  }) => {
    if (now.machine !== 'linux-x64') {
      process.stderr.write(`SKIPPED: ${VALUES_FILE}: they are of linux-x64\n`);
      skip('another machine');
    }
    expect(isRight(committed, now, released), `${JSON.stringify(now)}`).toBe(true);
    const wrong = {
      ...now,
      simulated: now.simulated.replace(/^./, (letter) => (letter === '0' ? '1' : '0')),
    };
    expect(isRight(now, now, true)).toBe(true);
    expect(isRight(wrong, now, false)).toBe(false);
    expect(isRight({ ...now, sources: '0'.repeat(64) }, now, false)).toBe(true);
    expect(isRight({ ...now, sources: '0'.repeat(64) }, now, true)).toBe(false);
  });
});

const Bill = z.looseObject({
  components: z.array(
    z.looseObject({
      name: z.string(),
      version: z.string(),
      purl: z.string(),
      'bom-ref': z.string(),
      hashes: z.exactOptional(z.array(z.looseObject({ alg: z.string(), content: z.string() }))),
      properties: z.exactOptional(z.array(z.looseObject({ name: z.string() }))),
      licenses: z.exactOptional(
        z.array(
          z.looseObject({
            expression: z.exactOptional(z.string()),
            license: z.exactOptional(z.looseObject({ id: z.exactOptional(z.string()) })),
          }),
        ),
      ),
    }),
  ),
  dependencies: z.array(
    z.looseObject({ ref: z.string(), dependsOn: z.exactOptional(z.array(z.string())) }),
  ),
});

describe('the bill of materials', () => {
  const text = () => readFileSync(join(one, 'sbom.cdx.json'), 'utf8');
  const bill = () => Bill.parse(JSON.parse(text()));

  test('is one, by the schema of CycloneDX 1.6', async () => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    expect(await validator.validate(text())).toBeNull();
    const broken = text().replace('"type": "library"', '"type": "librarian"');
    expect(await validator.validate(broken)).not.toBeNull();
  });

  test('is the same each time', () => {
    expect(sbomOf(one, 'strongroom/enclave-worker')).toBe(text());
  });

  test('misses no package that is in the image', () => {
    const listed = new Set(bill().components.map(({ name, version }) => `${name}@${version}`));
    const there = manifestsIn(one);
    expect(there.length).toBeGreaterThan(50);
    expect(there.filter((each) => !listed.has(each))).toEqual([]);
    expect(listed.size).toBe(new Set(there).size);
  });

  test('misses no package of the trusted base', () => {
    const listed = new Set(bill().components.map(({ name, version }) => `${name}@${version}`));
    const base = z
      .looseObject({ packages: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(ROOT, WORKER, 'tcb.json'), 'utf8')));
    const wanted = Object.entries(base.packages).flatMap(([name, versions]) =>
      versions.split(' ').map((version) => `${name}@${version}`),
    );
    // Bindings of other machines are in the lockfile, and not in this image.
    const foreign = /-(darwin|win32|android|freebsd|linux-(?!x64)|linux.*musl)/;
    expect(wanted.filter((each) => !listed.has(each) && !foreign.test(each))).toEqual([]);
  });

  test('has a licence of each, and only those that were judged', () => {
    const strange = bill().components.filter(({ licenses = [] }) => {
      const names = licenses.flatMap(({ expression, license }) =>
        expression === undefined ? [license?.id ?? ''] : namesIn(parseExpression(expression)),
      );
      return names.length === 0 || !names.every((name) => LICENCES.includes(name));
    });
    expect(strange.map(({ name, licenses }) => ({ name, licenses }))).toEqual([]);
  });

  test('has the hash of each archive that came from outside, or says that it was patched', () => {
    const without = bill().components.filter(
      ({ name, hashes, properties }) =>
        !name.startsWith('@strongroom/') && !hashes?.length && !properties?.length,
    );
    expect(without.map(({ name }) => name)).toEqual([]);
    const patched = bill().components.filter(({ properties }) => properties?.length);
    expect(patched.map(({ name }) => name)).toEqual(['kafkajs']);
  });

  test('says who loads whom', () => {
    const { dependencies } = bill();
    const of = (name: string) =>
      dependencies.find(({ ref }) => ref.startsWith(`${name}@`))?.dependsOn ?? [];
    expect(of('@strongroom/enclave-worker').join()).toContain('@duckdb/node-api@');
    expect(of('@strongroom/record-log').join()).toContain('kafkajs@');
    expect(of('kafkajs').join()).toContain('@node-rs/crc32@');
  });
});

/** By another way than the bill's: every package.json right in a package's folder. */
function manifestsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name === 'package.json')
    .map((entry) => entry.parentPath)
    .filter((parent) => /(^|\/)(packages|services|node_modules|@[^/]+)\/[^/]+$/.test(parent))
    .filter((parent) => !/\/\.pnpm$/.test(parent) && parent !== folder)
    .flatMap((parent) => {
      const { name, version } = z
        .looseObject({ name: z.exactOptional(z.string()), version: z.exactOptional(z.string()) })
        .parse(JSON.parse(readFileSync(join(parent, 'package.json'), 'utf8')));
      return name !== undefined && version !== undefined ? [`${name}@${version}`] : [];
    });
}

type Expression = ReturnType<typeof parseExpression>;

function namesIn(expression: Expression): string[] {
  if ('license' in expression) return [expression.license];
  return [...namesIn(expression.left), ...namesIn(expression.right)];
}

test('packages are read as they lie', () => {
  const packages = packagesIn(one);
  const worker = packages.find(({ name }) => name === '@strongroom/enclave-worker');
  expect(worker).toMatchObject({ path: WORKER, licence: 'Apache-2.0' });
  expect(packages.filter(({ name }) => name === 'ajv').length).toBeGreaterThan(0);
});
