import { DATE_FORMS, type DateForm, NUMBER_FORMS, type NumberForm } from './csv-dialect.ts';
import { quoteText } from './sql-text.ts';

/**
 * Numbers and dates as a file writes them, in the spellings that every other source has. What is
 * not written in the file's own way becomes a word that is no value: in a file with decimal commas
 * `1.5` means something else, or nothing.
 */
const NO_VALUE = quoteText('?');

const [PLAIN_NUMBERS] = NUMBER_FORMS;
const [PLAIN_DATES] = DATE_FORMS;

/** The mark of thousands, which may be left out, and the one before the fraction. */
const MARKS: Readonly<Record<Exclude<NumberForm, '1234.56'>, readonly [string, string]>> = {
  '1.234,56': ['.', ','],
  '1,234.56': [',', '.'],
};

const NO_DIGITS = '[+-]?[Ii]nf(inity)?|[Nn]a[Nn]';

/** @param term a text in SQL, or NULL */
export function numberTerm(term: string, form: NumberForm): string {
  if (form === PLAIN_NUMBERS) return term;
  const [group, point] = MARKS[form];
  const whole = `([0-9]{1,3}([${group}][0-9]{3})+|[0-9]*)`;
  const spelling = `[+-]?${whole}([${point}][0-9]*)?([eE][+-]?[0-9]+)?|${NO_DIGITS}`;
  const plain = `replace(replace(${term}, '${group}', ''), '${point}', '.')`;
  return written(term, spelling, plain);
}

/** Year, month and day among the groups of the pattern. */
const PARTS: Readonly<
  Record<Exclude<DateForm, '2001-12-31'>, readonly [pattern: string, month: number, day: number]>
> = {
  '31.12.2001': ['([0-9]{1,2})[.]([0-9]{1,2})[.]([0-9]{4})', 2, 1],
  '31/12/2001': ['([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})', 2, 1],
  '12/31/2001': ['([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})', 1, 2],
};

/** @param term a text in SQL, or NULL */
export function dateTerm(term: string, form: DateForm): string {
  if (form === PLAIN_DATES) return term;
  const [pattern, month, day] = PARTS[form];
  const spelling = `${pattern}([T ].*)?`;
  const part = (group: number) => `regexp_extract(${term}, ${quoteText(spelling)}, ${group})`;
  const two = (group: number) => `lpad(${part(group)}, 2, '0')`;
  return written(
    term,
    spelling,
    `concat(${part(3)}, '-', ${two(month)}, '-', ${two(day)}, ${part(4)})`,
  );
}

function written(term: string, spelling: string, plain: string): string {
  const isWritten = `regexp_full_match(${term}, ${quoteText(spelling)})`;
  const cases = [`WHEN ${term} IS NULL THEN NULL`, `WHEN ${isWritten} THEN ${plain}`];
  return `(CASE ${cases.join(' ')} ELSE ${NO_VALUE} END)`;
}
