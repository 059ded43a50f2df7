import type { OwnerExplanation, QueryExplanation } from '@strongroom/analysis/explain';
import { ERRORS } from '@strongroom/protocol/errors';
import { printable } from '@strongroom/runtime/printable';
import { windowText } from './contract-text.ts';

/** What a query can and cannot reveal, as an owner reads it before it signs. */
export function checkText(found: QueryExplanation): string {
  const { query, refusal, owners } = found;
  const verdict = refusal ? `REFUSED ${refusal.code}` : 'ALLOWED';
  return [
    `${query.id}: ${verdict}`,
    ...(refusal ? refusalLines(found) : sqlLines(query.sql)),
    ...(refusal ? [] : [`  to ${query.readers.join(', ')}, ${windowText(query)}`]),
    ...(refusal ? [] : minimumLines(found)),
    ...owners.flatMap((owner) => ownerLines(owner)),
  ]
    .map(printable)
    .join('\n');
}

function sqlLines(sql: string): string[] {
  return sql.split('\n').map((line) => `  | ${shownLine(line)}`);
}

function shownLine(line: string): string {
  return line.replaceAll('\t', '  ');
}

/** The SQL with a caret under the place, what stands there, and what to do. */
function refusalLines({ query, refusal }: QueryExplanation): string[] {
  if (!refusal) return [];
  const { place, position, rule, column, relation, owner } = refusal.facts;
  const whose = column === undefined ? '' : ` (column ${column} of ${relation})`;
  const who = owner === undefined ? '' : ` by ${owner}`;
  const reason = [`${place}${whose}`, ...(rule === undefined ? [] : [`${rule}${who}`])].join(': ');
  const { expected, remedy } = ERRORS[refusal.code];
  const lines =
    typeof position === 'number' ? caretLines(query.sql, position) : sqlLines(query.sql);
  return [...lines, `  ${reason}`, `  ${expected}. ${remedy}`];
}

/** @param position in bytes of UTF-8, as the parser counts */
function caretLines(sql: string, position: number): string[] {
  const before = Buffer.from(sql).subarray(0, position).toString('utf8');
  const row = before.split('\n').length - 1;
  const column = [...printable(shownLine(before.split('\n').at(-1) ?? ''))].length;
  const lines = sqlLines(sql);
  return [...lines.slice(0, row + 1), `  | ${' '.repeat(column)}^`, ...lines.slice(row + 1)];
}

function minimumLines({ query, limits }: QueryExplanation): string[] {
  const { minimumContributors: people, maximumGroups } = limits;
  if (query.privacy) return [`  with noise, by ${JSON.stringify(query.privacy)}`];
  const ofOwner = people?.ofOwner === undefined ? '' : `, of each owner none or ${people.ofOwner}`;
  return [
    `  only groups of at least ${query.disclosure.minimumGroupRows} rows` +
      (people ? ` about at least ${people.group} contributors${ofOwner}` : ''),
    ...(people ? [] : ['  CONTRIBUTORS ARE NOT COUNTED: a group may be about one of them']),
    ...(maximumGroups === undefined ? [] : [`  nothing if there are over ${maximumGroups} groups`]),
  ];
}

function ownerLines(found: OwnerExplanation): string[] {
  const { shown, folded, chosen, joined, counted, unread } = found;
  const values = shown.map(({ column, isWhole }) =>
    isWhole ? `${column} as it is` : `${column} through an expression`,
  );
  const rows = folded.filter(({ by }) => by.includes('min') || by.includes('max'));
  const lines: [string, readonly string[]][] = [
    ['shows for each group:', values],
    ['folds over a group:', folded.map(({ column, by }) => `${column} by ${by.join(', ')}`)],
    ['SHOWS THE VALUE OF ONE ROW (min, max) of', rows.map(({ column }) => column)],
    ['chooses what counts by', chosen],
    ['compares with other tables:', joined],
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
