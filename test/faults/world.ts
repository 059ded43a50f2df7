import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type Folders,
  type Organisations,
  prepareFolders,
  setUp,
} from '../deployment/organisations.ts';
import { Processes } from '../deployment/processes.ts';
import { KafkaNode } from './kafka-node.ts';
import { type Link, openLink } from './link.ts';
import { faultsPlan, OWNERS, type Owner, writeParts } from './rows.ts';

/**
 * What schedules share, one after the other: a broker, the owners' services, and the links over
 * which workers reach them. The first contract is nobody's; each schedule agrees on its own.
 */
export interface World {
  readonly folders: Folders;
  readonly processes: Processes;
  readonly organisations: Organisations;
  readonly node: KafkaNode;
  /** By what lies behind: `broker`, or an owner. */
  readonly links: ReadonlyMap<string, Link>;
  readonly parts: Readonly<Record<Owner, readonly string[]>>;
  readonly rows: number;
  /** Files by process id, each the error of its clock in milliseconds. */
  readonly clocks: string;
  close(options: { readonly keep: boolean }): Promise<void>;
}

const open = new Set<World>();
/** Worlds that are being made, or were. */
const making = new Set<Promise<World>>();
let isEnding = false;

/** For a run that is told to end: also what is only being made then is taken down. */
export async function closeWorlds(): Promise<void> {
  isEnding = true;
  await Promise.allSettled([...making].map(async (world) => (await world).close({ keep: false })));
  await Promise.all([...open].map((world) => world.close({ keep: false })));
}

export async function openWorld(rows: number): Promise<World> {
  if (isEnding) throw new Error('the run is ending');
  const opening = openNew(rows);
  making.add(opening);
  return opening.finally(() => making.delete(opening));
}

async function openNew(rows: number): Promise<World> {
  const world = await createWorld(rows);
  let closing: Promise<void> | undefined;
  const close: World['close'] = (options) => {
    closing ??= world.close(options).finally(() => open.delete(shared));
    return closing;
  };
  const shared = { ...world, close };
  open.add(shared);
  return shared;
}

async function createWorld(rows: number): Promise<World> {
  const run = await mkdtemp(path.join(os.tmpdir(), 'strongroom-faults-'));
  const folders = await prepareFolders(run);
  const clocks = path.join(run, 'clocks');
  await mkdir(clocks);
  const preload = pathToFileURL(path.join(import.meta.dirname, 'clock.ts')).href;
  const processes = new Processes(folders.logs, {
    NODE_OPTIONS: `--import=${preload}`,
    STRONGROOM_TEST_CLOCKS: clocks,
  });
  const node = await KafkaNode.start(path.join(run, 'kafka'));
  const links = new Map<string, Link>();
  const close: World['close'] = async ({ keep }) => {
    await processes.stopAll();
    await node.close();
    await Promise.all([...links.values()].map((link) => link.close()));
    if (!keep) await rm(run, { recursive: true, force: true });
  };
  try {
    links.set('broker', await openLink(node.port, { kafka: true }));
    const organisations = await setUpBehindLinks(processes, folders, links);
    const parts = await writeParts(run, rows);
    return { folders, processes, organisations, node, links, rows, clocks, parts, close };
  } catch (error) {
    await close({ keep: false });
    throw error;
  }
}

/** The contract names the links: a worker goes through them, and everybody else does not. */
async function setUpBehindLinks(
  processes: Processes,
  folders: Folders,
  links: Map<string, Link>,
): Promise<Organisations> {
  const ports = new Map<string, number>();
  for (const owner of OWNERS) {
    // Its service does not run yet: the link learns its port when the contract is drawn up.
    const link = await openLink(() => ports.get(owner) ?? 0);
    links.set(owner, link);
  }
  const plan = faultsPlan((owner, url) => {
    ports.set(owner, Number(new URL(url).port));
    return `https://localhost:${links.get(owner)?.port}`;
  });
  return await setUp(processes, folders, plan);
}
