import { formText } from './canonical-form.ts';
import {
  type ColumnContract,
  type ColumnType,
  type Contract,
  type Dataset,
  digitsOf,
  type Party,
} from './contract.ts';
import type { ContractId } from './fields.ts';

/**
 * An amendment: a contract that names its predecessor. Here is what one may say, as far as two
 * documents show it; who has to sign is checked where signatures are (`sealing/amendment`).
 */

/**
 * Every value of the first type is a value of the others, exactly: what an owner published before
 * can be published again. A float has 24 bits and a double 53: `int64` fits neither.
 */
const WIDENINGS: Readonly<Partial<Record<ColumnType, readonly ColumnType[]>>> = {
  int8: ['int16', 'int32', 'int64', 'float32', 'float64'],
  int16: ['int32', 'int64', 'float32', 'float64'],
  int32: ['int64', 'float64'],
  uint8: ['int16', 'int32', 'int64', 'uint16', 'uint32', 'uint64', 'float32', 'float64'],
  uint16: ['int32', 'int64', 'uint32', 'uint64', 'float32', 'float64'],
  uint32: ['int64', 'uint64', 'float64'],
  float32: ['float64'],
  // A date is its midnight; all times lie in the years 1 to 9999.
  date32: ['timestamp-ms', 'timestamp-us'],
  'timestamp-ms': ['timestamp-us'],
};

export function isWidening(before: ColumnType, after: ColumnType): boolean {
  return WIDENINGS[before]?.includes(after) === true;
}

/** A place of the amendment and what is wrong with it; both may be shown to anybody. */
export interface AmendmentProblem {
  readonly place: string;
  readonly problem: string;
}

/** What forbids that `after` follows `before`; nothing for a good amendment. */
export function amendmentProblemsIn(
  {
    contract: before,
    contractId,
  }: { readonly contract: Contract; readonly contractId: ContractId },
  after: Contract,
): readonly AmendmentProblem[] {
  return [
    ...linkProblems(before, contractId, after),
    ...after.datasets.flatMap((dataset) => {
      const known = before.datasets.find(({ id }) => id === dataset.id);
      return known ? datasetProblems(known, dataset, after.version) : [];
    }),
  ];
}

function linkProblems(before: Contract, id: ContractId, after: Contract): AmendmentProblem[] {
  const problems: AmendmentProblem[] = [];
  if (after.previous !== id) {
    problems.push({ place: 'previous', problem: `the id of the version before, ${id}` });
  }
  if (after.version !== before.version + 1) {
    problems.push({ place: 'version', problem: `${before.version + 1}, one more than before` });
  }
  return problems;
}

/** Budgets and readers know a dataset by its id, so under one id it stays what it was. */
function datasetProblems(before: Dataset, after: Dataset, version: number): AmendmentProblem[] {
  const at = `datasets.${after.id}`;
  const problems: AmendmentProblem[] = [];
  if (after.owner !== before.owner) {
    problems.push({ place: `${at}.owner`, problem: 'a dataset keeps its owner' });
  }
  if (after.eventTime !== before.eventTime) {
    problems.push({ place: `${at}.eventTime`, problem: 'a dataset keeps its event time' });
  }
  for (const column of before.columns) {
    const now = after.columns.find(({ name }) => name === column.name);
    const problem = now ? columnProblem(column, now) : 'a column cannot be taken away or renamed';
    if (problem !== undefined) problems.push({ place: `${at}.columns.${column.name}`, problem });
  }
  for (const column of newColumnsOf(before, after)) {
    const problem = newColumnProblem(column, version);
    if (problem !== undefined) problems.push({ place: `${at}.columns.${column.name}`, problem });
  }
  return problems;
}

/** What `after` has and `before` lacks. */
export function newColumnsOf(before: Dataset, after: Dataset): ColumnContract[] {
  return after.columns.filter(({ name }) => before.columns.every((each) => each.name !== name));
}

/** Without `since` every source has to have the column, also one of before. */
function newColumnProblem({ nullable, since }: ColumnContract, version: number) {
  if (!nullable) return 'a new column is nullable';
  const isNow = since === undefined || since === version;
  return isNow ? undefined : `a new column is there since ${version}, this version`;
}

function columnProblem(before: ColumnContract, after: ColumnContract): string | undefined {
  if (after.nullable !== before.nullable) return 'a column keeps whether it is nullable';
  if (after.since !== before.since) return 'a column keeps the version that added it';
  if (formText(after) !== formText(before)) {
    return 'a column keeps its canonical form: rows of before would match no longer. Add another';
  }
  if (after.type === 'decimal128' && before.type === 'decimal128')
    return digitsProblem(before, after);
  if (after.type === before.type || isWidening(before.type, after.type)) return undefined;
  const wider = WIDENINGS[before.type];
  const may = wider ? `it may become ${wider.join(' or ')}` : 'nothing is wider';
  return `${before.type} cannot become ${after.type}: ${may}`;
}

/** Digits may be added on both sides of the point; a value keeps all that it has. */
function digitsProblem(before: ColumnContract, after: ColumnContract): string | undefined {
  const [old, now] = [before, after].map((column) => {
    const { precision, scale } = digitsOf(column) ?? { precision: 0, scale: 0 };
    return { whole: precision - scale, scale };
  });
  const keeps = old && now && now.whole >= old.whole && now.scale >= old.scale;
  return keeps ? undefined : 'a decimal keeps its digits before and behind the point, or gets more';
}

/**
 * Parties of the version before whose signature the amendment's own parties do not give: who left,
 * and who is to sign with another key from now on. Without their consent they could be put out, or
 * be replaced by somebody of the same name.
 */
export function consentersOf(before: Contract, after: Contract): readonly Party[] {
  return before.parties.filter((party) => {
    const now = after.parties.find(({ id }) => id === party.id);
    return !now || JSON.stringify(now.signingKey) !== JSON.stringify(party.signingKey);
  });
}
