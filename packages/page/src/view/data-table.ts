import { type ComponentChildren, h } from 'preact';

export interface TableColumn {
  readonly name: string;
  /** Numbers stand below each other by their last digit. */
  readonly isNumber?: boolean;
  /** Text that may take several lines. */
  readonly isText?: boolean;
  /** A date and a time of day, which stand below each other where there is little room. */
  readonly isTime?: boolean;
}

export interface TableRow {
  readonly id: string | number;
  /** As many as there are columns; the first one names the row if the table says so. */
  readonly cells: readonly ComponentChildren[];
}

const classOf = ({ isNumber, isText, isTime }: TableColumn) =>
  [isNumber && 'number', isText && 'wraps', isTime && 'time'].filter(Boolean).join(' ');

interface Props {
  /** What the table is, for who does not see where it stands. */
  readonly caption: string;
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
  /** The first cell of each row is its head. */
  readonly hasRowHeads?: boolean;
}

/** A table that scrolls in its place, by keyboard too. */
export function DataTable({ caption, columns, rows, hasRowHeads = false }: Props) {
  return h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': caption }, [
    h('table', null, [
      h('caption', { class: 'unseen' }, caption),
      h('thead', null, [
        h(
          'tr',
          null,
          columns.map((column) => h('th', { scope: 'col', class: classOf(column) }, column.name)),
        ),
      ]),
      h(
        'tbody',
        null,
        rows.map(({ id, cells }) =>
          h(
            'tr',
            { key: id },
            cells.map((cell, at) => {
              const place = { class: classOf(columns[at] ?? { name: '' }) };
              return hasRowHeads && at === 0
                ? h('th', { scope: 'row', ...place }, cell)
                : h('td', place, cell);
            }),
          ),
        ),
      ),
    ]),
  ]);
}
