import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ROOT } from '../architecture/source-files.ts';

const run = promisify(execFile);

/** A Docker engine with a compose command, and the images of this checkout. */
export interface Engine {
  /** Whether compose is a program of its own (`docker-compose`) or a command of `docker`. */
  readonly standalone: boolean;
  docker(...args: string[]): Promise<string>;
  /** The image of one target of deploy/images/Dockerfile, by the name that is returned. */
  build(target: string): Promise<string>;
  compose(environment: Readonly<Record<string, string>>, ...args: string[]): Promise<string>;
  close(): Promise<void>;
}

const isLong = process.env['STRONGROOM_LONG'] === '1';
const isCi = process.env['CI'] === 'true';
const keepsImages = process.env['STRONGROOM_IMAGES'] === 'keep';

/**
 * The engine for a file of tests; said, and undefined, where none is, or where such a file is left
 * out: whoever tests beside other work waits for no containers, and CI has no time for what takes
 * ten minutes and more.
 */
export async function engineFor(what: string, runs: 'ci' | 'long'): Promise<Engine | undefined> {
  const isWanted = isLong || (isCi && runs === 'ci');
  if (!isWanted) {
    say(`SKIPPED: ${what}: npm run test:long has them`);
    return undefined;
  }
  const engine = await openEngine();
  if (engine === undefined) say(`SKIPPED: ${what}: no Docker engine with compose is here`);
  return engine;
}

/** The engine of this machine, or one that is started where that is allowed; undefined for none. */
async function openEngine(): Promise<Engine | undefined> {
  const started = (await answers('docker', 'version')) ? undefined : await startEngine();
  if (started === undefined && !(await answers('docker', 'version'))) return undefined;
  const standalone = !(await answers('docker', 'compose', 'version'));
  if (standalone && !(await answers('docker-compose', 'version'))) return undefined;
  const [program, ...first] = standalone ? ['docker-compose'] : ['docker', 'compose'];
  return {
    standalone,
    docker: (...args) => output('docker', args),
    build: buildTarget,
    compose: (environment, ...args) => output(program ?? '', [...first, ...args], environment),
    async close() {
      // The next file of tests looks for one, and shall not find one that is ending.
      if (started?.kill('SIGTERM')) await once(started, 'exit');
    },
  };
}

/**
 * Images of what the compose file names; the base images too, where none can be fetched. CI
 * assembles them of what is built here already: the first stages of the Dockerfile build it once
 * more, which takes minutes. With STRONGROOM_IMAGES=keep those that are there are taken for this
 * checkout's.
 */
export async function buildImages(engine: Engine): Promise<void> {
  if (keepsImages) return;
  await prepareBases();
  say('building images');
  if (isLong) await engine.compose(await buildEnvironment(), 'build');
  else await buildAssembled(await engine.compose({}, 'config'));
}

async function buildAssembled(composeFile: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-images-'));
  try {
    for (const page of ['analyst/src/build-page-main.ts', 'cli/src/owner/build-page-main.ts']) {
      await output('node', [SOURCES, `services/${page}`]);
    }
    await output('deploy/images/assemble-all.sh', [join(folder, 'out')]);
    await output('node', [SOURCES, 'scripts/sample-data.ts', join(folder, 'sample')]);
    const archive = join(folder, 'assembled.tar');
    await output('tar', [
      '--create',
      `--file=${archive}`,
      `--directory=${folder}`,
      'out',
      'sample',
    ]);
    await output('docker', ['import', archive, ASSEMBLED]);
  } finally {
    await rm(folder, { recursive: true });
  }
  const targets = new Set(composeFile.match(/(?<=^\s+target: )\S+$/gm));
  const from = [`--build-arg=ASSEMBLED=${ASSEMBLED}`, `--build-arg=SAMPLE=${ASSEMBLED}`];
  for (const target of targets) await build(target, from);
}

/** A registry that does not answer must not hold up CI. */
export const PREPARING_MS_MAX = (isLong ? 60 : 15) * 60_000;
const SOURCES = '--conditions=strongroom:source';
const ASSEMBLED = 'strongroom-stand-in/assembled';

async function buildTarget(target: string): Promise<string> {
  const image = `strongroom/${target}`;
  if (keepsImages && (await answers('docker', 'image', 'inspect', image))) return image;
  await prepareBases();
  return await build(target);
}

async function build(target: string, more: readonly string[] = []): Promise<string> {
  const image = `strongroom/${target}`;
  const environment = await buildEnvironment();
  const network = environment['STRONGROOM_BUILD_NETWORK'];
  const args = ['build', '--file=deploy/images/Dockerfile', `--target=${target}`, `--tag=${image}`];
  const all = [...args, ...more, ...(network ? [`--network=${network}`] : []), '.'];
  await output('docker', all, environment);
  return image;
}

async function prepareBases(): Promise<void> {
  const bases = ['node:24.21.0-bookworm-slim', 'apache/kafka:4.4.0'];
  for (const base of bases) {
    if (await answers('docker', 'image', 'inspect', base)) continue;
    if (await answers('docker', 'pull', base)) continue;
    say(`no registry brings ${base}: making stand-ins for the base images`);
    await output('scripts/offline-base-images.sh', []);
    break;
  }
}

async function buildEnvironment(): Promise<Readonly<Record<string, string>>> {
  const isStandIn = await answers('docker', 'image', 'inspect', STAND_IN);
  return isStandIn ? { STRONGROOM_BUILD_NETWORK: 'host' } : {};
}

const STAND_IN = 'strongroom-stand-in/debian:bookworm';

async function startEngine() {
  if (process.getuid?.() !== 0 || !existsSync(DOCKERD)) return undefined;
  say('starting a Docker engine');
  const engine = spawn(DOCKERD, [], { stdio: 'ignore', env: { ...process.env, PATH: ROOTS_PATH } });
  engine.on('error', () => undefined);
  for (let second = 0; second < ENGINE_SECONDS_MAX && engine.exitCode === null; second += 1) {
    if (await answers('docker', 'version')) return engine;
    await sleep(1_000);
  }
  engine.kill('SIGTERM');
  return undefined;
}

const ENGINE_SECONDS_MAX = 60;
const DOCKERD = '/usr/sbin/dockerd';
/** With root's programs, as the engine and debootstrap look for them. */
const ROOTS_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

async function answers(program: string, ...args: string[]): Promise<boolean> {
  return output(program, args).then(
    () => true,
    () => false,
  );
}

/** A few megabytes of a build's log, or of a command's results. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

async function output(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const client = program.startsWith('docker') ? await clientEnvironment : {};
  const env = { ...process.env, PATH: ROOTS_PATH, ...client, ...environment };
  const options = { cwd: ROOT, env, maxBuffer: OUTPUT_BYTES_MAX };
  return (await run(program, args, options)).stdout;
}

/**
 * Whose builds make no stage that is not asked for: clients with their builder beside them, or
 * those before 23, as Debian has them, which have it inside.
 */
async function findClient(): Promise<Readonly<Record<string, string>>> {
  const told = (args: string[], env = process.env) =>
    run('docker', args, { env }).catch(() => ({ stdout: '' }));
  if ((await told(['buildx', 'version'])).stdout !== '') return {};
  const old = { DOCKER_BUILDKIT: '1', PATH: `/usr/bin:${ROOTS_PATH}` };
  const { stdout } = await told(['--version'], { ...process.env, ...old });
  return /^Docker version (1\d|2[0-2])\./.test(stdout) ? old : {};
}

const clientEnvironment = findClient();

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
