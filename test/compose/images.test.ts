import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { treeHash } from '../../services/cli/src/tree-hash.ts';
import { ROOT, readText } from '../architecture/source-files.ts';
import { type Engine, engineFor } from './engine.ts';

/** Every image of deploy/images/Dockerfile is built, starts, and holds no more than it should. */

const engine = await engineFor('images of deploy/images/Dockerfile', 'long');
const here = (): Engine => {
  if (engine === undefined) throw new Error('no engine');
  return engine;
};

const STAGES_BEFORE = ['build', 'sample', 'assembled', 'sampled', 'base'];
const targets = [...readText('deploy/images/Dockerfile').matchAll(/^FROM \S+ AS (\S+)$/gm)]
  .map(([, name = '']) => name)
  .filter((name) => !STAGES_BEFORE.includes(name));
/** It has steps and no help: docker-compose.yml starts it. */
const services = targets.filter((name) => name !== 'setup');
const production = services.filter((name) => name !== 'command' && !name.endsWith('-simulated'));

const RIGHTS = [
  ...['run', '--rm', '--network=none', '--read-only', '--cap-drop=ALL'],
  '--security-opt=no-new-privileges:true',
];

afterAll(() => engine?.close(), 5 * 60_000);

const built = new Map<string, Promise<string>>();

/** Once, so that all that is said is said of one image. */
function imageOf(target: string): Promise<string> {
  const image = built.get(target) ?? here().build(target);
  built.set(target, image);
  return image;
}

const MINUTES_MAX = 30 * 60_000;

describe.runIf(engine !== undefined)('an image', () => {
  test.each(services)(
    'of %s starts, without rights, network or anything to write to',
    async (target) => {
      const image = await imageOf(target);
      const [seen] = JSON.parse(await here().docker('image', 'inspect', image));
      expect(seen.Config.User).toBe('node');
      expect(await here().docker(...RIGHTS, image)).toMatch(/^Usage: /m);
    },
    MINUTES_MAX,
  );

  test.each(production)(
    'of %s holds no simulator, no source and no test',
    async (target) => {
      const all = ['/app', '-type', 'f'];
      const find = [...RIGHTS, '--entrypoint=find', await imageOf(target), ...all];
      const listed = (await here().docker(...find)).split('\n');
      const own = listed.filter((file) => !file.includes('/node_modules/.pnpm/'));
      expect(own).toContain('/app/sbom.cdx.json');
      expect(own.filter((file) => /insecure|\.test\.|[^d]\.ts$/.test(file))).toEqual([]);
    },
    MINUTES_MAX,
  );

  test(
    'of the worker holds the bytes that this machine assembles, in another folder',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'strongroom-image-'));
      const [theirs, ours] = [join(folder, 'theirs'), join(folder, 'ours')];
      try {
        const image = await imageOf('worker-simulated');
        const container = (await here().docker('create', image)).trim();
        await here().docker('cp', `${container}:/app`, theirs);
        await here().docker('rm', container);
        // Of the base of all images, beside what was assembled.
        rmSync(join(theirs, 'healthcheck.mjs'));
        const quiet = { cwd: ROOT, stdio: 'pipe' } as const;
        execFileSync('node_modules/.bin/tsc', ['-b', 'services/enclave-worker'], quiet);
        execFileSync(join(ROOT, 'deploy/images/assemble.sh'), [ours, 'enclave-worker'], quiet);
        expect(treeHash(theirs)).toEqual(treeHash(ours));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    MINUTES_MAX,
  );
});
