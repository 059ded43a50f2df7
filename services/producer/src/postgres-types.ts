import type { ColumnType } from '@strongroom/protocol/contract';

/**
 * Which types of PostgreSQL may become which types of the contract: those pairs of which every
 * value either is the same one in both or is refused. So no `real` becomes a `float64` (its text
 * has fewer digits than its value), no `bigint` a float, no `timestamp` an instant; of an instant
 * its time in UTC is taken. A `bytea`, a `json`, an array is no value of any contract.
 */
const INTEGERS: readonly ColumnType[] = [
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
];
const TIMES: readonly ColumnType[] = ['timestamp-ms', 'timestamp-us'];

interface PostgresType {
  readonly name: string;
  readonly becomes: readonly ColumnType[];
  /** Rows may be told apart as older and newer by it. */
  readonly orders?: true;
}

/** By object identifier: those of the built-in types never change (pg_type.dat). */
const TYPES: ReadonlyMap<number, PostgresType> = new Map([
  [16, { name: 'boolean', becomes: ['bool'] }],
  [21, { name: 'smallint', becomes: [...INTEGERS, 'decimal128', 'float64'], orders: true }],
  [23, { name: 'integer', becomes: [...INTEGERS, 'decimal128', 'float64'], orders: true }],
  [20, { name: 'bigint', becomes: [...INTEGERS, 'decimal128'], orders: true }],
  [1700, { name: 'numeric', becomes: [...INTEGERS, 'decimal128'], orders: true }],
  [700, { name: 'real', becomes: ['float32'] }],
  [701, { name: 'double precision', becomes: ['float64'] }],
  [25, { name: 'text', becomes: ['utf8'] }],
  [1043, { name: 'varchar', becomes: ['utf8'] }],
  [1042, { name: 'char', becomes: ['utf8'] }],
  [19, { name: 'name', becomes: ['utf8'] }],
  [2950, { name: 'uuid', becomes: ['utf8'] }],
  [1082, { name: 'date', becomes: ['date32', ...TIMES], orders: true }],
  [1114, { name: 'timestamp', becomes: TIMES, orders: true }],
  [1184, { name: 'timestamptz', becomes: ['timestamp-us-utc', ...TIMES], orders: true }],
]);

const ENUM: PostgresType = { name: 'enum', becomes: ['utf8'] };

/** @param kind pg_type.typtype */
export function postgresType(oid: number, kind: string | undefined): PostgresType | undefined {
  return kind === 'e' ? ENUM : TYPES.get(oid);
}
