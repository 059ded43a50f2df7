import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
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
 * The engine for a file of tests; said, and undefined, where none is, or where the run is a short
 * one: all of it takes ten minutes and more.
 */
export async function engineFor(what: string): Promise<Engine | undefined> {
  const isLong = process.env['STRONGROOM_LONG'] === '1';
  const engine = isLong ? await openEngine() : undefined;
  const why = isLong ? 'no Docker engine with compose is here' : 'npm run test:long has them';
  if (engine === undefined) say(`SKIPPED: ${what}: ${why}`);
  return engine;
}

/**
 * Builds what the compose file names; the base images too, where none can be fetched. With
 * STRONGROOM_IMAGES=keep those that are there are taken for this checkout's.
 */
export async function buildImages(engine: Engine): Promise<void> {
  if (keepsImages) return;
  await prepareBases();
  say('building images');
  await engine.compose(await buildEnvironment(), 'build');
}

const keepsImages = process.env['STRONGROOM_IMAGES'] === 'keep';

async function buildTarget(target: string): Promise<string> {
  const image = `strongroom/${target}`;
  if (keepsImages && (await answers('docker', 'image', 'inspect', image))) return image;
  await prepareBases();
  const environment = await buildEnvironment();
  const network = environment['STRONGROOM_BUILD_NETWORK'];
  const args = ['build', '--file=deploy/images/Dockerfile', `--target=${target}`, `--tag=${image}`];
  await output('docker', [...args, ...(network ? [`--network=${network}`] : []), '.'], environment);
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

/** Docker before 23 has BuildKit and uses it when it is asked to; later ones need no word. */
async function buildEnvironment(): Promise<Readonly<Record<string, string>>> {
  const version = await output('docker', ['version', '--format={{.Client.Version}}']);
  const isStandIn = await answers('docker', 'image', 'inspect', STAND_IN);
  return {
    ...(Number.parseInt(version, 10) < 23 ? { DOCKER_BUILDKIT: '1' } : {}),
    ...(isStandIn ? { STRONGROOM_BUILD_NETWORK: 'host' } : {}),
  };
}

const STAND_IN = 'strongroom-stand-in/debian:bookworm';

async function startEngine() {
  if (process.getuid?.() !== 0 || !existsSync('/usr/sbin/dockerd')) return undefined;
  say('starting a Docker engine');
  const engine = spawn('dockerd', [], { stdio: 'ignore' });
  engine.on('error', () => undefined);
  for (let second = 0; second < ENGINE_SECONDS_MAX; second += 1) {
    if (await answers('docker', 'version')) return engine;
    await sleep(1_000);
  }
  engine.kill('SIGTERM');
  return undefined;
}

const ENGINE_SECONDS_MAX = 60;

async function answers(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args, { cwd: ROOT }).then(
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
  const env = { ...process.env, ...environment };
  const options = { cwd: ROOT, env, maxBuffer: OUTPUT_BYTES_MAX };
  return (await run(program, args, options)).stdout;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
