import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { type Death, FAILPOINTS, isOfVault } from './failpoints.ts';
import { OWNERS } from './rows.ts';
import type { PlannedDeaths } from './workers.ts';

/** Faults and deaths; two deaths and nothing else; places that no other schedule came to. */
export type Mode = 'faults' | 'pairs' | 'cover';

/** What goes wrong in one run, all of it decided by a seed. */
export interface Schedule {
  readonly mode: Mode;
  readonly seed: number;
  /** At failpoints: of each worker and its first vault, in the order in which workers start. */
  readonly deaths: readonly PlannedDeaths[];
  readonly faults: readonly Fault[];
}

export interface Fault {
  readonly kind: FaultKind;
  /** After the first worker was started. */
  readonly atMs: number;
  /** Until it heals. */
  readonly ms: number;
  /** What it strikes, where there is a choice: the link to it, or the service itself. */
  readonly link?: string;
  /** Request of a transaction at which a connection is cut. */
  readonly apiKey?: number;
  /** Workers of a storm; milliseconds of a clock's jump. */
  readonly count?: number;
}

export const FAULT_KINDS = [
  'kill-worker',
  'kill-vault',
  'kill-broker',
  'restart-broker',
  'kill-key-release',
  'pause-worker',
  'link-late',
  'link-silent',
  'link-deaf',
  'link-cut',
  'link-snip',
  'worker-storm',
  'clock-jump',
  'vault-memory',
  'disk-full',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

const LINKS = ['broker', ...OWNERS];
const WORKER_PLACES = FAILPOINTS.filter((place) => !isOfVault(place));
const VAULT_PLACES = FAILPOINTS.filter(isOfVault);
const DEATHS = 2;

/**
 * Deaths take their places in turn, so that so many seeds in a row as there are places cover them
 * all; everything else is drawn.
 */
export function scheduleOf(seed: number, kinds: readonly FaultKind[] = FAULT_KINDS): Schedule {
  const random = seededRandom(seed);
  const deaths = Array.from({ length: DEATHS }, (_, index) => ({
    worker: deathAt(WORKER_PLACES, seed * DEATHS + index, random),
    vaults: [deathAt(VAULT_PLACES, seed * DEATHS + index, random)],
  }));
  const faults = Array.from({ length: 2 + random.below(3) }, () => faultOf(kinds, random));
  faults.sort((left, right) => left.atMs - right.atMs);
  return { mode: 'faults', seed, deaths, faults };
}

/** Two deaths at places drawn from the whole list, the second one in what the first one left. */
export function pairOf(seed: number): Schedule {
  const random = seededRandom(seed);
  const [first, second] = [0, 1].map(() => deathAt(FAILPOINTS, random.below(2 ** 31), random));
  const deaths = first && second ? inProcesses(first, second) : [];
  return { mode: 'pairs', seed, deaths, faults: [] };
}

/** A vault's death is survived by its worker, which then has a further one. */
function inProcesses(first: Death, second: Death): PlannedDeaths[] {
  const alone = (death: Death) =>
    isOfVault(death.at ?? '') ? { vaults: [death] } : { worker: death };
  if (!isOfVault(first.at ?? '')) return [alone(first), alone(second)];
  if (!isOfVault(second.at ?? '')) return [{ vaults: [first], worker: second }];
  return [{ vaults: [first, second] }];
}

/**
 * Each place once, at its first turn, by workers one after the other. Only a worker's death makes
 * room for the next one, so that each has one.
 */
export function coverOf(seed: number, places: readonly string[]): Schedule {
  const firstTurn = (at: string) => ({ at, turn: 1 });
  const ofVaults = places.filter(isOfVault).map(firstTurn);
  const ofWorkers = places.filter((place) => !isOfVault(place)).map(firstTurn);
  const deaths: PlannedDeaths[] = [];
  while (ofVaults.length + ofWorkers.length > 0) {
    const vaults = ofVaults.splice(0, VAULTS_A_WORKER);
    deaths.push({ vaults, worker: ofWorkers.shift() ?? firstTurn(SURELY_REACHED) });
  }
  return { mode: 'cover', seed, deaths, faults: [] };
}

/** After each that it loses a worker waits twice as long. */
const VAULTS_A_WORKER = 2;
const SURELY_REACHED = 'after door restore';

/** What happens once in a life is met at its first turn; the rest at one of the first three. */
const ONCE =
  /connect|createTopics|transaction|Init|open|claims|proof|lease|release|restore|announce/;

/**
 * The first step of a life is its announcement; results come with those behind it. Each is prepared
 * in a transaction of its own before it leaves in another one.
 */
const OF_A_STEP = /depart|steps|hold|seal|commit|AddPartitions|Produce|EndTxn/;

function deathAt(places: readonly string[], index: number, random: SeededRandom): Death {
  const at = places[index % places.length] ?? '';
  const ofAStep = isOfVault(at) ? [1, 2, 2] : [1, 2, 3, 3, 4, 4];
  const turn = random.pick(OF_A_STEP.test(at) ? ofAStep : [1, 1, 1, 2, 3]);
  const isOnce = ONCE.test(at) && !OF_A_STEP.test(at);
  return { at, turn: isOnce ? 1 : turn };
}

const FAULTS_WITHIN_MS = 8_000;

function faultOf(kinds: readonly FaultKind[], random: SeededRandom): Fault {
  const kind = random.pick(kinds);
  const atMs = random.below(FAULTS_WITHIN_MS);
  const drawn = { kind, atMs, ms: durationOf(kind, random) };
  if (kind === 'link-snip') return { ...drawn, link: 'broker', apiKey: random.pick(TRANSACTION) };
  if (kind.startsWith('link-')) return { ...drawn, link: random.pick(LINKS) };
  if (kind === 'kill-key-release') return { ...drawn, link: random.pick(OWNERS) };
  if (kind === 'clock-jump') {
    const link = random.pick(['worker', ...OWNERS]);
    return { ...drawn, link, count: random.pick([-HOURS_MS, HOURS_MS]) };
  }
  if (kind === 'worker-storm') return { ...drawn, count: 2 + random.below(2) };
  return drawn;
}

/** InitProducerId, AddPartitionsToTxn, Produce, EndTxn. */
const TRANSACTION = [22, 24, 0, 26];
const HOURS_MS = 7_200_000;
/** Past a lease (6 s), and past a transaction's timeout as well (15 s). */
const PAUSES_MS = [1_000, 7_500, 7_500, 17_000];

function durationOf(kind: FaultKind, random: SeededRandom): number {
  if (kind === 'pause-worker') return random.pick(PAUSES_MS);
  // Long enough for a transaction; its last digit decides which side of the request.
  if (kind === 'link-snip') return 4_000 + random.below(2);
  if (kind === 'kill-worker' || kind === 'kill-vault' || kind === 'restart-broker') return 0;
  return 200 + random.below(3_000);
}
