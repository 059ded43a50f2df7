import { type Crafted, type Crafting, craftBatch, craftManifest } from './sealed-batch-craft.ts';
import { type World, worldOf } from './sealed-batch-keys.ts';
import type { Vector, VectorRecord, VectorStart } from './sealed-batch-vector.ts';

/** How the case files describe a vector; `vectorOf` writes it down. */
export interface Case {
  readonly name: string;
  readonly about: string;
  readonly world: World;
  readonly records: readonly VectorRecord[];
  readonly accepted: readonly string[];
  readonly refused?: { readonly category: string; readonly code: string };
  readonly start?: VectorStart;
  readonly keys?: readonly string[];
}

export function vectorOf(each: Case): Vector {
  return {
    name: each.name,
    about: each.about,
    contract: each.world.extract,
    ...(each.start && { start: each.start }),
    records: each.records,
    expected: {
      accepted: each.accepted,
      ...(each.refused && { refused: each.refused }),
      ...(each.keys && { keys: each.keys }),
    },
  };
}

/** A name after `ok-` or `bad-`, a sentence, and what is particular about the one record. */
export type Row = readonly [name: string, about: string, crafting: Crafting, world?: World];

export async function goodBatches(rows: readonly Row[]): Promise<Case[]> {
  return Promise.all(
    rows.map(async ([name, about, crafting, world = worldOf()]) =>
      goodCase(name, about, world, [await craftBatch(world, crafting)]),
    ),
  );
}

export function goodCase(
  name: string,
  about: string,
  world: World,
  crafted: readonly Crafted[],
  more: Partial<Case> = {},
): Case {
  const records = crafted.map((each) => each.record);
  const accepted = crafted.map((each) => each.accepted);
  return { name: `ok-${name}`, about, world, records, accepted, ...more };
}

export async function badBatches(
  category: string,
  code: string,
  rows: readonly Row[],
): Promise<Case[]> {
  return badRecords(category, code, rows, craftBatch);
}

export async function badManifests(
  category: string,
  code: string,
  rows: readonly Row[],
): Promise<Case[]> {
  return badRecords(category, code, rows, craftManifest);
}

async function badRecords(
  category: string,
  code: string,
  rows: readonly Row[],
  craft: (world: World, crafting: Crafting) => Promise<Crafted>,
): Promise<Case[]> {
  return Promise.all(
    rows.map(async ([name, about, crafting, world = worldOf()]) =>
      badCase(category, code, name, about, world, [await craft(world, crafting)]),
    ),
  );
}

/** All records but the last are accepted. */
export function badCase(
  category: string,
  code: string,
  name: string,
  about: string,
  world: World,
  crafted: readonly Crafted[],
  more: Partial<Case> = {},
): Case {
  return {
    name: `bad-${category}-${name}`,
    about,
    world,
    records: crafted.map((each) => each.record),
    accepted: crafted.slice(0, -1).map((each) => each.accepted),
    refused: { category, code },
    ...more,
  };
}
