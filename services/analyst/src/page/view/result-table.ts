import { countText } from '@strongroom/page/view/words';
import type { Query } from '@strongroom/protocol/contract';
import { h } from 'preact';
import { useState } from 'preact/hooks';
import {
  cellText,
  type Measure,
  measuresOf,
  numberOf,
  pointOf,
  shownColumns,
} from '../../measures.ts';
import type { VerifiedResult } from '../../open-aggregate.ts';
import { type Cell, isNumber, type ResultColumn } from '../../result-columns.ts';
import { wantedRows } from '../filter.ts';
import type { Filter } from '../state.ts';
import { Bar, type Scale, scaleOf } from './bar.ts';

interface Props {
  readonly query: Query;
  readonly result: VerifiedResult;
  readonly filter: Filter;
  /** The column that is drawn beside its numbers. */
  readonly measure?: string;
}

/** More rows are in the exports: a page of all of them helps nobody. */
const ROWS_SHOWN_MAX = 500;

interface Order {
  readonly column: string;
  readonly isRising: boolean;
}

/** The rows of one result, bars beside the column that is drawn, and what is not in it. */
export function ResultTable({ query, result, filter, measure: chosen }: Props) {
  const [order, setOrder] = useState<Order | undefined>(undefined);
  if (result.content.withheld) return h(Withheld, { result });
  const columns = shownColumns(result, query);
  const measures = measuresOf(result, query);
  const drawn = measures.find(({ name }) => name === chosen);
  const wanted = sorted(wantedRows(result, filter), result, order);
  const rows = wanted.slice(0, ROWS_SHOWN_MAX);
  const scale = drawn && scaleOf(rows.map((row) => pointOf(drawn, row)));
  const label = `Rows of ${query.id}`;
  return h('div', null, [
    h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': label }, [
      h('table', { class: 'rows' }, [
        h('caption', { class: 'unseen' }, label),
        h('thead', null, [
          h(
            'tr',
            null,
            columns.flatMap((column) => [
              h(ColumnHead, { column, order, setOrder }),
              column.name === drawn?.name
                ? h('th', { class: 'bar-head', 'aria-hidden': 'true' }, '')
                : null,
            ]),
          ),
        ]),
        h(
          'tbody',
          null,
          rows.map((row) =>
            h(Row, {
              key: row,
              columns,
              row,
              measures,
              ...(drawn && scale ? { drawn, scale } : {}),
            }),
          ),
        ),
      ]),
    ]),
    h(Remarks, { result, query, wanted: wanted.length }),
  ]);
}

interface HeadProps {
  readonly column: ResultColumn;
  readonly order: Order | undefined;
  readonly setOrder: (order: Order) => void;
}

function ColumnHead({ column, order, setOrder }: HeadProps) {
  const { name, kind } = column;
  const isOrdered = order?.column === name;
  const isRising = isOrdered && !order.isRising;
  const direction = isOrdered ? (order.isRising ? 'ascending' : 'descending') : 'none';
  const arrow = isOrdered ? (order.isRising ? ' ↑' : ' ↓') : '';
  const onClick = () =>
    setOrder({ column: name, isRising: isOrdered ? isRising : !isNumber(kind) });
  return h('th', { scope: 'col', class: isNumber(kind) ? 'number' : '', 'aria-sort': direction }, [
    h('button', { type: 'button', class: 'sort', onClick }, `${name}${arrow}`),
  ]);
}

interface RowProps {
  readonly columns: readonly ResultColumn[];
  readonly row: number;
  readonly measures: readonly Measure[];
  readonly drawn?: Measure;
  readonly scale?: Scale;
}

function Row({ columns, row, measures, drawn, scale }: RowProps) {
  const firstText = columns.find(({ kind }) => !isNumber(kind));
  return h(
    'tr',
    null,
    columns.flatMap((column) => {
      const cell = column.cells[row] ?? null;
      const measure = measures.find(({ name }) => name === column.name);
      const text = isNumber(column.kind) ? numberText(cell, column) : cellText(cell);
      const shown = [text, measure?.low ? h(Bounds, { measure, row }) : null];
      const isHead = column === firstText;
      const kind = isNumber(column.kind) ? 'number' : '';
      return [
        isHead ? h('th', { scope: 'row' }, shown) : h('td', { class: kind }, shown),
        drawn && scale && column.name === drawn.name
          ? h('td', { class: 'bar-cell', 'aria-hidden': 'true' }, [
              h(Bar, { point: pointOf(drawn, row), scale }),
            ])
          : null,
      ];
    }),
  );
}

function Bounds({ measure, row }: { readonly measure: Measure; readonly row: number }) {
  const [low, high] = [measure.low, measure.high].map((column) =>
    column ? numberText(column.cells[row] ?? null, column) : '',
  );
  return h('span', { class: 'bounds' }, `${low} to ${high}`);
}

/**
 * Exact where it is exact: integers and decimals keep every digit, doubles six behind the point.
 */
function numberText(cell: Cell, { kind, cells }: ResultColumn): string {
  if (cell === null) return cellText(cell);
  if (kind === 'float') {
    const digits = fractionDigitsOf(cells);
    const all = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return Number(cell).toLocaleString('en', all);
  }
  const [whole = '', fraction] = String(cell).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** As many as the column needs, so that its points stand below each other. */
function fractionDigitsOf(cells: readonly Cell[]): number {
  const known = digitsOfColumn.get(cells);
  if (known !== undefined) return known;
  const lengths = cells.map((cell) => String(cell ?? '').split('.')[1]?.length ?? 0);
  const digits = Math.min(
    FRACTION_DIGITS_MAX,
    lengths.reduce((most, each) => Math.max(most, each), 0),
  );
  digitsOfColumn.set(cells, digits);
  return digits;
}

const FRACTION_DIGITS_MAX = 6;
const digitsOfColumn = new WeakMap<readonly Cell[], number>();

function sorted(rows: readonly number[], result: VerifiedResult, order: Order | undefined) {
  const column = result.columns.find(({ name }) => name === order?.column);
  if (!column || !order) return rows;
  const sign = order.isRising ? 1 : -1;
  return rows.toSorted((one, other) => {
    const [left = null, right = null] = [column.cells[one], column.cells[other]];
    return sign * (isNumber(column.kind) ? byNumber(left, right) : byText(left, right));
  });
}

function byNumber(left: Cell, right: Cell): number {
  const [one, other] = [numberOf(left), numberOf(right)];
  return (one ?? Number.NEGATIVE_INFINITY) - (other ?? Number.NEGATIVE_INFINITY) || 0;
}

function byText(left: Cell, right: Cell): number {
  return cellText(left).localeCompare(cellText(right), 'en');
}

interface RemarkProps {
  readonly result: VerifiedResult;
  readonly query: Query;
  readonly wanted: number;
}

/** What a reader would otherwise take for everything. */
function Remarks({ result, query, wanted }: RemarkProps) {
  const { rows, suppressedGroups } = result.content;
  const remarks = [
    ...(rows === 0 ? ['No group may be shown in this window.'] : []),
    ...(rows > 0 && wanted === 0 ? ['No group contains this text.'] : []),
    ...(wanted > 0 && wanted < rows
      ? [`${wanted} of ${countText(rows, 'row')} are asked for.`]
      : []),
    ...(wanted > ROWS_SHOWN_MAX
      ? [`The first ${ROWS_SHOWN_MAX} are shown; exports hold all.`]
      : []),
    ...(suppressedGroups > 0
      ? [
          `${countText(suppressedGroups, 'group')} withheld: fewer than ` +
            `${query.disclosure.minimumGroupRows} rows, or an owner's rules.`,
        ]
      : []),
  ];
  return h(
    'div',
    { class: 'remarks' },
    remarks.map((text) => h('p', null, text)),
  );
}

function Withheld({ result }: { readonly result: VerifiedResult }) {
  const why =
    result.content.withheld === 'failed'
      ? 'It could not be computed over these rows.'
      : 'It has more rows, or more bytes, than a result may have.';
  return h('div', { class: 'note note-warn' }, [
    h('strong', null, 'This result was withheld. '),
    `${why} The worker proves that it stood here, and shows nothing of it.`,
  ]);
}
