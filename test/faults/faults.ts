import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '@strongroom/record-log/local-kafka';
import type { Weather } from './link.ts';
import type { Fault, FaultKind } from './schedule.ts';
import type { Workers } from './workers.ts';
import type { World } from './world.ts';

/** How each kind of fault is done, and undone. */

interface Scene {
  readonly world: World;
  readonly workers: Workers;
}

type Heal = () => void | Promise<void>;
type Inject = (scene: Scene, fault: Fault) => Heal | Promise<Heal>;

const NOTHING: Heal = () => undefined;

const INJECT: Readonly<Record<FaultKind, Inject>> = {
  'kill-worker': ({ workers }) => {
    workers.killAll();
    return NOTHING;
  },
  'kill-vault': ({ workers }) => {
    for (const pid of vaultsOf(workers)) kill(pid);
    return NOTHING;
  },
  'kill-broker': async ({ world: { node } }) => {
    await node.kill();
    return () => node.start();
  },
  'restart-broker': async ({ world: { node } }) => {
    await node.stop();
    return () => node.start();
  },
  'kill-key-release': ({ world: { organisations } }, { link = '', ms }) => {
    const back = organisations.whileStopped(link, () => delay(ms), 'SIGKILL');
    return () => back;
  },
  'pause-worker': ({ workers }) => workers.pauseAll(),
  'link-late': blow({ kind: 'late', ms: 150 }),
  'link-silent': blow({ kind: 'silent' }),
  'link-deaf': (scene, fault) =>
    blow({ kind: 'deaf', toward: fault.ms % 2 === 0 ? 'server' : 'client' })(scene, fault),
  'link-cut': blow({ kind: 'cut' }),
  'link-snip': (scene, fault) => {
    const when = fault.ms % 2 === 0 ? 'before' : 'after';
    return blow({ kind: 'snip', apiKey: fault.apiKey ?? 0, when })(scene, fault);
  },
  // Our readers have no consumer group that could be rebalanced: what competes is workers, for
  // the leases and for the transactional id.
  'worker-storm': ({ workers }, { count = 2 }) => {
    workers.startMore(count);
    return () => workers.killAll();
  },
  'clock-jump': ({ world, workers }, { link = '', count = 0 }) => {
    const service = world.processes.pidOf(`key-release-${link}`);
    const pids = link === 'worker' ? workers.pidsOf('all') : [service ?? 0];
    const set = (ms: number) => {
      for (const pid of pids) writeFileSync(path.join(world.clocks, String(pid)), String(ms));
    };
    set(count);
    return () => set(0);
  },
  'vault-memory': ({ workers }) => {
    for (const pid of vaultsOf(workers)) limitData(pid, NO_BYTES);
    return () => {
      for (const pid of vaultsOf(workers)) limitData(pid, 'unlimited');
    };
  },
  'disk-full': async ({ world: { node } }) => {
    await node.fillDisk();
    return async () => {
      await node.emptyDisk();
      // A broker that cannot write ends itself, sooner or later: perhaps after it was looked at.
      await node.kill();
      await node.start();
    };
  },
};

/** Kinds that this machine cannot do, and why. */
export function missingKinds({ node }: World): Partial<Record<FaultKind, string>> {
  const prlimit = spawnSync('prlimit', ['--version'], { stdio: 'ignore' }).status === 0;
  return {
    ...(node.hasSmallDisk ? {} : { 'disk-full': 'no small disk can be mounted here' }),
    ...(prlimit ? {} : { 'vault-memory': 'prlimit is not installed' }),
  };
}

/** All faults at their times, each healed after its own; those that strike one thing take turns. */
export async function runFaults(scene: Scene, faults: readonly Fault[]): Promise<FaultTimes[]> {
  const since = performance.now();
  const turns = new Map<string, Promise<unknown>>();
  const running = faults.map((fault) => {
    const struck = targetOf(fault);
    const turn = (turns.get(struck) ?? Promise.resolve()).then(() => runFault(scene, fault, since));
    turns.set(struck, turn);
    return turn;
  });
  return await Promise.all(running);
}

export interface FaultTimes {
  readonly kind: FaultKind;
  readonly from: number;
  readonly until: number;
}

async function runFault(scene: Scene, fault: Fault, since: number): Promise<FaultTimes> {
  await delay(Math.max(0, since + fault.atMs - performance.now()));
  const from = performance.now();
  const heal = await INJECT[fault.kind](scene, fault);
  await delay(fault.ms);
  await heal();
  return { kind: fault.kind, from, until: performance.now() };
}

function targetOf({ kind, link = '' }: Fault): string {
  if (kind.startsWith('link-')) return `link ${link}`;
  if (/broker|disk/.test(kind)) return 'broker';
  return kind === 'kill-key-release' || kind === 'clock-jump' ? `service ${link}` : kind;
}

function blow(weather: Weather): Inject {
  return ({ world }, { link = '' }) => {
    world.links.get(link)?.set(weather);
    return () => world.links.get(link)?.set({ kind: 'clear' });
  };
}

/** A worker has one child, its vault. */
function vaultsOf(workers: Workers): number[] {
  return workers.pidsOf('all').flatMap((pid) => {
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
      return children.split(' ').filter(Boolean).map(Number);
    } catch {
      return [];
    }
  });
}

function kill(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
}

/** What it has it keeps; it gets no more. */
const NO_BYTES = 1;

function limitData(pid: number, bytes: number | 'unlimited'): void {
  spawnSync('prlimit', ['--pid', String(pid), `--data=${bytes}`], { stdio: 'ignore' });
}
