import type {
  MatchExplanation,
  OwnerExplanation,
  QueryExplanation,
  Refusal,
} from '@strongroom/analysis/explain';
import type { Contract } from '@strongroom/protocol/contract';
import { ERRORS } from '@strongroom/protocol/errors';
import { protectedText } from '@strongroom/protocol/privacy';
import { printable } from '@strongroom/runtime/printable';
import { sizeLines, windowText } from './contract-text.ts';

/** What a query can and cannot reveal, as an owner reads it before it signs. */
export function checkText(found: QueryExplanation, contract: Contract): string {
  const { query, owners } = found;
  const refusals = [...found.refusals].sort((one, other) => positionOf(one) - positionOf(other));
  const codes = [...new Set(refusals.map(({ code }) => code))];
  const allowed = [
    `  to ${query.readers.join(', ')}, ${windowText(query)}`,
    ...minimumLines(found),
    ...differenceLines(found),
    ...sizeLines(query, contract).map((line) => `  ${line}`),
  ];
  return [
    `${query.id}: ${refusals.length === 0 ? 'ALLOWED' : `REFUSED ${codes.join(', ')}`}`,
    ...markedLines(query.sql, refusals),
    ...refusals.map((refusal, index) => reasonLine(refusal, refusals.length > 1 ? index : null)),
    ...codes.map((code) => `  ${ERRORS[code].expected}. ${ERRORS[code].remedy}`),
    ...(refusals.length === 0 ? allowed : []),
    ...owners.flatMap((owner) => ownerLines(owner)),
  ]
    .map(printable)
    .join('\n');
}

/** What concerns the query as a whole comes first. */
function positionOf({ facts: { position } }: Refusal): number {
  return typeof position === 'number' ? position : -1;
}

/** What stands at a place, and why it may not. */
function reasonLine({ facts }: Refusal, index: number | null): string {
  const { place, rule, column, relation, owner, other } = facts;
  const isNamed = column !== undefined && relation !== undefined;
  const whose = isNamed ? ` (column ${column} of ${relation})` : '';
  const who = owner === undefined ? '' : ` by ${owner}`;
  const beside = other === undefined ? '' : `, beside ${other}`;
  const reason = [
    `${place}${whose}${beside}`,
    ...(rule === undefined ? [] : [`${rule}${who}`]),
  ].join(': ');
  return index === null ? `  ${reason}` : `  ${index + 1}: ${reason}`;
}

/** The SQL, with a mark under each place that is refused: the reason's number, where it has one. */
function markedLines(sql: string, refusals: readonly Refusal[]): string[] {
  const lines = sql.split('\n').map(shownLine);
  const marks = refusals.flatMap(({ facts: { position } }, index) =>
    typeof position === 'number'
      ? [{ ...placeOf(sql, position), text: refusals.length > 1 ? `^${index + 1}` : '^' }]
      : [],
  );
  return lines.flatMap((line, row) => [
    `  | ${line}`,
    ...markLines(marks.filter((mark) => mark.row === row)).map((text) => `  | ${text}`),
  ]);
}

interface Mark {
  readonly row: number;
  readonly column: number;
  readonly text: string;
}

/** @param position in bytes of UTF-8, as the parser counts */
function placeOf(sql: string, position: number): Pick<Mark, 'row' | 'column'> {
  const before = Buffer.from(sql).subarray(0, position).toString('utf8').split('\n');
  const column = [...printable(shownLine(before.at(-1) ?? ''))].length;
  return { row: before.length - 1, column };
}

/** As many lines as it takes for marks that would touch each other. */
function markLines(marks: readonly Mark[]): string[] {
  const lines: string[] = [];
  for (const { column, text } of [...marks].sort((one, other) => one.column - other.column)) {
    const free = lines.findIndex((line) => line === '' || line.length < column);
    const at = free < 0 ? lines.length : free;
    lines[at] = `${(lines[at] ?? '').padEnd(column)}${text}`;
  }
  return lines;
}

function shownLine(line: string): string {
  return line.replaceAll('\t', '  ');
}

function minimumLines({ query, limits, withoutLease }: QueryExplanation): string[] {
  const { minimumContributors: people, maximumGroups } = limits;
  if (query.privacy) {
    return [
      `  with noise, by ${JSON.stringify(query.privacy)}`,
      `  it hides ${protectedText(query.privacy)}`,
      ...withoutLease.map(
        (owner) => `  ${owner} KEEPS NO LEASE, AND ACCEPTS that two workers could average it`,
      ),
    ];
  }
  const ofOwner = people?.ofOwner === undefined ? '' : `, of each owner none or ${people.ofOwner}`;
  return [
    `  only groups of at least ${query.disclosure.minimumGroupRows} rows` +
      (people ? ` about at least ${people.group} contributors${ofOwner}` : ''),
    ...(people ? [] : ['  CONTRIBUTORS ARE NOT COUNTED: a group may be about one of them']),
    ...(maximumGroups === undefined ? [] : [`  nothing if there are over ${maximumGroups} groups`]),
  ];
}

/** What the results of several queries, or of windows that overlap, tell together. */
function differenceLines({ query, besides, isCompared }: QueryExplanation): string[] {
  const others = besides.join(', ');
  if (isCompared) {
    const own = query.window.kind === 'hopping' ? ' and its own windows' : '';
    const what = `${others || 'its other windows'}${others ? own : ''}`;
    return [`  withholds groups that would tell of a smaller one beside ${what}`];
  }
  if (query.disclosure.differences !== 'accepted') return [];
  const what = others || 'its other windows';
  return [`  ALL PARTIES ACCEPT that beside ${what} it may tell of a smaller group`];
}

/** What a join key is compared with, in which spelling, and what readers are told of it. */
function matchText({ column, other, owners, form, told, rowsPerKey }: MatchExplanation): string {
  const whose = owners.length > 0 ? ` of ${owners.join(' and ')}` : '';
  const as = form === 'exact' ? '' : `, as ${form}`;
  const noise = told === 'with noise' ? ', matches told with noise' : '';
  const rows = rowsPerKey === undefined ? '' : `, at most ${rowsPerKey} rows of each key`;
  return `${column} with ${other.column} of ${other.relation}${whose}${as}${noise}${rows}`;
}

function exactIn(matches: readonly MatchExplanation[]): string[] {
  return [...new Set(matches.flatMap(({ column, told }) => (told === 'exactly' ? column : [])))];
}

function ownerLines(found: OwnerExplanation): string[] {
  const { shown, folded, chosen, matches, weighedBy, counted, unread } = found;
  const values = shown.map(({ column, isWhole }) =>
    isWhole ? `${column} as it is` : `${column} through an expression`,
  );
  const rows = folded.filter(({ by }) => by.includes('min') || by.includes('max'));
  const lines: [string, readonly string[]][] = [
    ['shows for each group:', values],
    ['folds over a group:', folded.map(({ column, by }) => `${column} by ${by.join(', ')}`)],
    ['SHOWS THE VALUE OF ONE ROW (min, max) of', rows.map(({ column }) => column)],
    ['chooses what counts by', chosen],
    ['compares with other tables:', matches.map(matchText)],
    ['COUNTED AS OFTEN AS THEY HAVE ROWS OF A KEY, by', weighedBy],
    ["TELLS EXACTLY HOW MANY MATCH ANOTHER OWNER'S:", exactIn(matches)],
    ['counts, and does not show:', counted === undefined ? [] : [counted]],
    ['does not use:', unread.filter((name) => name !== counted)],
  ];
  return [
    `  about the rows of ${found.owner} in ${found.relation}${found.isRuled ? '' : ' (NO RULES)'}`,
    ...lines
      .filter(([, names]) => names.length > 0)
      .map(([word, names]) => `    ${word} ${names.join(', ')}`),
  ];
}
