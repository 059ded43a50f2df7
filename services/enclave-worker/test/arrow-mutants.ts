import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import type { ArrowSeed } from './arrow-seeds.ts';
import { readSpot, type Spot, writeSpot } from './arrow-spots.ts';

/** Structured damage to good Arrow streams, as apache/arrow-testing keeps it as files. */
export interface ArrowMutant {
  readonly kind: MutantKind;
  readonly seed: ArrowSeed;
  readonly bytes: Uint8Array;
  /** What was changed has no meaning: the rows must be those of the seed, or the stream refused. */
  readonly keepsRows: boolean;
}

type Mutation = (seed: ArrowSeed, random: SeededRandom, other: ArrowSeed) => Uint8Array;

const MUTATIONS = {
  'metadata number': changeSpots,
  'huge count': hugeCount,
  'numbers exchanged': exchangeSpots,
  'buffer place or length': changeBuffers,
  'dictionary id': changeIds,
  truncation: truncate,
  'bytes put in or left out': shift,
  'frames left out, doubled, exchanged': reorder,
  'splice of two streams': splice,
  'bits flipped anywhere': (seed, random) => flip(seed, random, [{ start: 0, end: Infinity }]),
  'bits flipped in bodies': (seed, random) => flip(seed, random, bodiesOf(seed)),
  'offsets, indices, validity': changeBody,
  'padding changed': changePadding,
} satisfies Record<string, Mutation>;

export type MutantKind = keyof typeof MUTATIONS;
export const MUTANT_KINDS = Object.keys(MUTATIONS) as readonly MutantKind[];

/** Every number gives another mutant, the same on every machine. */
export function mutantOf(seeds: readonly ArrowSeed[], number: number): ArrowMutant {
  const random = seededRandom(number * 0x9e37 + 0x51ed);
  for (let skipped = 0; skipped < 64; skipped++) random.below(2);
  const kind = MUTANT_KINDS[number % MUTANT_KINDS.length] ?? 'metadata number';
  const [seed, other] = [random.pick(seeds), random.pick(seeds)];
  const bytes = MUTATIONS[kind](seed, random, other);
  return { kind, seed, bytes, keepsRows: kind === 'padding changed' };
}

function changeSpots({ bytes, map }: ArrowSeed, random: SeededRandom): Uint8Array {
  const changed = bytes.slice();
  const count = 1 + random.below(3);
  for (let index = 0; index < count; index++) changeOne(changed, random.pick(map.spots), random);
  return changed;
}

function changeOne(bytes: Uint8Array, spot: Spot, random: SeededRandom): void {
  writeSpot(bytes, spot, valueNear(readSpot(bytes, spot), random));
}

const EDGES = [0n, 1n, 2n, 4n, 7n, 8n, 16n, 63n, 64n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0xffffn];
const HUGE = [
  ...[0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 53n - 1n, 2n ** 53n],
  ...[2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 8n, 2n ** 63n - 1n, -1n, -8n, -(2n ** 63n)],
];

function valueNear(value: bigint, random: SeededRandom): bigint {
  const step = BigInt(1 + random.below(16));
  const near = [value + 1n, value - 1n, value + 8n, value - 8n, value + step, value - step];
  const scaled = [value * 2n, value / 2n, -value, value ^ (1n << BigInt(random.below(32)))];
  return random.pick([...near, ...scaled, ...EDGES, ...HUGE]);
}

/** Only the numbers that say how many or how long. */
function hugeCount({ bytes, map }: ArrowSeed, random: SeededRandom): Uint8Array {
  const counts = map.spots.filter(({ name }) => /(length|rows|nulls|body|metadata)$/.test(name));
  const changed = bytes.slice();
  const count = 1 + random.below(2);
  for (let index = 0; index < count; index++) {
    writeSpot(changed, random.pick(counts), random.pick(HUGE));
  }
  return changed;
}

function exchangeSpots({ bytes, map }: ArrowSeed, random: SeededRandom): Uint8Array {
  const changed = bytes.slice();
  const one = random.pick(map.spots);
  const other = random.pick(map.spots.filter(({ width }) => width === one.width));
  const value = readSpot(changed, one);
  writeSpot(changed, one, readSpot(changed, other));
  writeSpot(changed, other, value);
  return changed;
}

function changeBuffers({ bytes, map }: ArrowSeed, random: SeededRandom): Uint8Array {
  const places = map.spots.filter(({ name }) => /(buffers|nodes)\[\d+\]/.test(name));
  const changed = bytes.slice();
  const one = random.pick(places);
  // Often the place of another buffer, so that two of them are the same bytes.
  if (random.chance(0.4)) writeSpot(changed, one, readSpot(bytes, random.pick(places)));
  else changeOne(changed, one, random);
  return changed;
}

function changeIds({ bytes, map }: ArrowSeed, random: SeededRandom): Uint8Array {
  const ids = map.spots.filter(({ name }) => /(\.id|\.id\.slot|delta|ordered|kind)$/.test(name));
  const changed = bytes.slice();
  const one = random.pick(ids);
  if (random.chance(0.5)) writeSpot(changed, one, readSpot(bytes, random.pick(ids)));
  else changeOne(changed, one, random);
  return changed;
}

function truncate({ bytes, map }: ArrowSeed, random: SeededRandom): Uint8Array {
  const edges = map.frames.flatMap(({ start, bodyStart, end, buffers }) => [
    ...[start, bodyStart, end, start + 4, start + 8],
    ...buffers.flatMap((buffer) => [buffer.start, buffer.end]),
  ]);
  const at = random.chance(0.5) ? random.pick(edges) : random.below(bytes.length);
  return bytes.slice(0, at);
}

function shift({ bytes }: ArrowSeed, random: SeededRandom): Uint8Array {
  const at = random.below(bytes.length);
  const count = random.chance(0.5) ? 8 * (1 + random.below(4)) : 1 + random.below(16);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  if (random.chance(0.5)) return joined([before, after.subarray(count)]);
  const added = Uint8Array.from({ length: count }, () => random.below(256));
  return joined([before, random.chance(0.5) ? added : new Uint8Array(count), after]);
}

function reorder(seed: ArrowSeed, random: SeededRandom): Uint8Array {
  const frames = framesOf(seed);
  const one = random.below(frames.length);
  const other = random.below(frames.length);
  const changed = [...frames];
  const choice = random.below(3);
  if (choice === 0) changed.splice(one, 1);
  else if (choice === 1) changed.splice(other, 0, frames[one] ?? new Uint8Array(0));
  else [changed[one], changed[other]] = [frames[other] ?? END, frames[one] ?? END];
  return joined([...changed, END]);
}

function splice(seed: ArrowSeed, random: SeededRandom, other: ArrowSeed): Uint8Array {
  const [one, two] = [framesOf(seed), framesOf(other)];
  const at = random.below(one.length);
  if (random.chance(0.4)) return joined([...one.slice(0, at), ...two.slice(at), END]);
  if (random.chance(0.5)) {
    return joined([...one.slice(0, at), ...two.slice(0, 1), ...one.slice(at), END]);
  }
  const cut = random.below(seed.bytes.length);
  return joined([seed.bytes.subarray(0, cut), other.bytes.subarray(cut)]);
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function flip({ bytes }: ArrowSeed, random: SeededRandom, ranges: readonly Range[]): Uint8Array {
  const changed = bytes.slice();
  const count = 1 + random.below(8);
  for (let index = 0; index < count; index++) {
    const { start, end } = random.pick(ranges);
    const at = start + random.below(Math.min(end, bytes.length) - start);
    changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  }
  return changed;
}

/** A stream of all nulls may have no body at all. */
function bodiesOf({ bytes, map }: ArrowSeed): Range[] {
  const bodies = map.frames.map(({ bodyStart, end }) => ({ start: bodyStart, end }));
  const whole = bodies.filter(({ start, end }) => end > start);
  return whole.length > 0 ? whole : [{ start: 0, end: bytes.length }];
}

/** Words of the bodies become numbers near them or at the edges. */
function changeBody(seed: ArrowSeed, random: SeededRandom): Uint8Array {
  const changed = seed.bytes.slice();
  const { start, end } = random.pick(bodiesOf(seed));
  const width = random.pick([1, 2, 4, 8] as const);
  const at = start + width * random.below(Math.max(1, Math.floor((end - start) / width)));
  if (at + width <= changed.length) changeOne(changed, { name: 'body', at, width }, random);
  return changed;
}

/** Bytes of bodies that lie in no buffer, and what may stand after the last frame. */
function changePadding({ bytes, map }: ArrowSeed, random: SeededRandom): Uint8Array {
  const changed = bytes.slice();
  for (const { bodyStart, end, buffers } of map.frames) {
    for (let at = bodyStart; at < end; at++) {
      const isFree = !buffers.some((buffer) => at >= buffer.start && at < buffer.end);
      if (isFree) changed[at] = random.below(256);
    }
  }
  return random.chance(0.5) ? changed.slice(0, -END.length) : changed;
}

const END = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

function framesOf({ bytes, map }: ArrowSeed): Uint8Array[] {
  return map.frames.map(({ start, end }) => bytes.subarray(start, end));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
