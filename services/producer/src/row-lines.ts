import type { ColumnContract, Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type ColumnMapping, sourceNames } from './column-mapping.ts';
import { malformedSource } from './row-reader.ts';

/**
 * What a member of a row may be. A `Date` is for date and time columns, a `bigint` for integers
 * that no double holds, a string for text, decimals and times in microseconds. `undefined` is as if
 * the member were not there.
 */
export type RowValue = null | undefined | boolean | number | bigint | string | Date;

/** Writes plain objects as lines of NDJSON, which is read as strictly as a file's. */
export class RowLines {
  readonly #columns: ReadonlyMap<string, ColumnContract>;
  readonly #leavesOutOthers: boolean;
  #rows = 0;

  /** @param mapping with it, members that it does not name are left out; without, refused */
  constructor(dataset: Dataset, mapping: ColumnMapping | undefined) {
    const names = sourceNames(dataset, mapping);
    this.#columns = new Map(dataset.columns.map((column, at) => [names[at] ?? '', column]));
    this.#leavesOutOthers = mapping !== undefined;
  }

  /** @throws ERR_COLUMN_TYPE, ERR_SOURCE_MALFORMED: facts say where, never what */
  line(row: unknown): string {
    this.#rows += 1;
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw malformedSource('ndjson', { row: this.#rows });
    }
    const entries: [name: string, value: unknown][] = Object.entries(row);
    const members: string[] = [];
    for (const [name, value] of entries) {
      const column = this.#columns.get(name);
      if (value === undefined || (column === undefined && this.#leavesOutOthers)) continue;
      // Refused as soon as the line is read, whatever its value is.
      const text = column === undefined ? 'null' : this.#valueText(value, column);
      members.push(`${JSON.stringify(name)}:${text}`);
    }
    return `{${members.join(',')}}\n`;
  }

  #valueText(value: unknown, column: ColumnContract): string {
    if (typeof value === 'bigint') return value.toString();
    // JSON has no word for them, and would write null.
    const isNoNumber = typeof value === 'number' && !Number.isFinite(value);
    if (isNoNumber) throw this.#misfit(column, 'a number that is not finite');
    if (value instanceof Date) return JSON.stringify(this.#timeText(value, column));
    if (value === null || ['boolean', 'number', 'string'].includes(typeof value)) {
      return JSON.stringify(value);
    }
    throw this.#misfit(column, typeof value);
  }

  /** A date with a time of day is no value of a date column. */
  #timeText(value: Date, column: ColumnContract): string {
    const { type } = column;
    if (Number.isNaN(value.getTime())) throw this.#misfit(column, 'an invalid Date');
    const text = value.toISOString();
    if (type.startsWith('timestamp')) return text;
    const [date = '', clock] = text.split('T');
    if (type === 'date32' && clock === '00:00:00.000Z') return date;
    throw this.#misfit(column, type === 'date32' ? 'a Date with a time of day' : 'Date');
  }

  #misfit({ name: column, type: expectedType }: ColumnContract, foundType: string) {
    const facts = { column, expectedType, foundType, row: this.#rows };
    return new StrongroomError('ERR_COLUMN_TYPE', facts);
  }
}
