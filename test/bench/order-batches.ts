import assert from 'node:assert/strict';
import { arrowFields, encodeArrow } from '../../services/producer/src/arrow-encoding.ts';
import type { BuiltColumn } from '../../services/producer/src/column-builder.ts';
import { TextInterner } from '../../services/producer/src/text-interner.ts';
import { ORDER_COLUMNS } from './orders.ts';

/**
 * Batches of orders as a producer would encode them, made while a bench runs: all have the same
 * quantities, prices and texts, and each its own numbers and times.
 */

/** As many as fit into a record. */
export const ORDERS_PER_BATCH_MAX = 22_000;
const REGIONS = 20;
const CATEGORIES = 200;
/** One in so many orders has no price. */
const WITHOUT_PRICE = 100;

export interface OrderMaker {
  readonly rows: number;
  /** Evenly over [start, end). */
  batch(start: number, end: number): OrderBatch;
}

interface OrderBatch {
  readonly bytes: Uint8Array;
  readonly eventTime: { readonly min: number; readonly max: number };
}

/** @param rows of each batch */
export function orderMaker(rows: number): OrderMaker {
  const fields = arrowFields(ORDER_COLUMNS);
  const same = sameColumns(rows);
  let made = 0;
  const arrowBatch = (start: number, end: number) => {
    const first = made;
    made += rows;
    const timeOf = (index: number) => start + Math.floor((index * (end - start)) / rows);
    const id = wide(rows, (index) => first + index);
    const at = wide(rows, timeOf);
    const columns = ORDER_COLUMNS.map((contract): BuiltColumn => {
      const shape = { contract, words: 2, valid: null, dictionary: null } as const;
      if (contract.name === 'id') return { ...shape, values: id };
      if (contract.name === 'at') return { ...shape, values: at };
      const column = same.get(contract.name);
      assert(column, contract.name);
      return { ...shape, ...column };
    });
    const eventTime = { min: timeOf(0), max: timeOf(rows - 1) };
    return { bytes: encodeArrow(fields, columns, rows), eventTime };
  };
  return { rows, batch: arrowBatch };
}

function sameColumns(rows: number): Map<string, Omit<BuiltColumn, 'contract'>> {
  const prices = Float64Array.from({ length: rows }, (_none, index) => digit(index, 1, 100_000));
  const wideShape = { words: 2, valid: null, dictionary: null } as const;
  return new Map<string, Omit<BuiltColumn, 'contract'>>([
    ['qty', { ...wideShape, values: wide(rows, (index) => digit(index, 2, 100)) }],
    [
      'price',
      {
        ...wideShape,
        values: new Int32Array(prices.buffer),
        valid: Uint8Array.from({ length: rows }, (_none, index) => (index % WITHOUT_PRICE ? 1 : 0)),
      },
    ],
    ['region', texts(rows, (index) => `region-${digit(index, 3, REGIONS)}`)],
    ['category', texts(rows, (index) => `category-${digit(index, 4, CATEGORIES)}`)],
  ]);
}

/** 64 bits a row, as the producer's columns have them. */
export function wide(rows: number, numberOf: (index: number) => number): Int32Array {
  const values = new BigInt64Array(rows);
  for (let index = 0; index < rows; index += 1) values[index] = BigInt(numberOf(index));
  return new Int32Array(values.buffer);
}

function texts(rows: number, textOf: (index: number) => string): Omit<BuiltColumn, 'contract'> {
  const interner = new TextInterner();
  const values = Int32Array.from({ length: rows }, (_none, index) => {
    const bytes = new TextEncoder().encode(textOf(index));
    return interner.intern(bytes, 0, bytes.length);
  });
  return { words: 1, values, valid: null, dictionary: interner.dictionary() };
}

/** The same in every run; different `salt`s give columns that have nothing to do with each other. */
function digit(index: number, salt: number, below: number): number {
  const mixed = Math.imul(index ^ Math.imul(salt, 0x9e37_79b1), 0x85eb_ca6b);
  return (Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35) >>> 3) % below;
}
