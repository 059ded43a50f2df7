import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';

/**
 * Rows that a sum tells apart. In a window and cell each row has one digit of its own, in one of
 * four columns, base 4: the sums of a result say of every row how often it was counted, up to three
 * times, and `visits` says when it was more.
 */

export const OWNERS = ['north', 'south'] as const;
export type Owner = (typeof OWNERS)[number];
export const READER = 'office';
export const WINDOWS = 8;
const HOUR_MS = 3_600_000;
const BEGIN = Math.floor(1_700_000_000_000 / HOUR_MS) * HOUR_MS;
const DIGITS = ['d0', 'd1', 'd2', 'd3'] as const;
/** Two bits each: a sum stays below 2^52. */
const DIGITS_EACH = 25;
const ROWS_A_CELL = DIGITS.length * DIGITS_EACH;

export const QUERIES = {
  hourly: `SELECT cell, count(*) AS visits, sum(d0) AS d0, sum(d1) AS d1, sum(d2) AS d2,
sum(d3) AS d3 FROM visits GROUP BY cell`,
  whole: `SELECT cell, count(*) AS visits, sum(d0) AS d0, sum(d1) AS d1, sum(d2) AS d2,
sum(d3) AS d3 FROM visits GROUP BY cell`,
} as const;

/** The results that each query has in the end. */
export const RESULTS: Readonly<Record<string, number>> = { hourly: WINDOWS, whole: 1 };

interface Row {
  readonly window: number;
  readonly at: number;
  readonly cell: string;
  readonly digit: number;
  readonly owner: Owner;
}

function rowsOf(total: number): Row[] {
  const inWindow = Math.ceil(total / WINDOWS);
  return Array.from({ length: total }, (_, index) => {
    const window = Math.floor(index / inWindow);
    const within = index % inWindow;
    const at = BEGIN + window * HOUR_MS + Math.floor((within * HOUR_MS) / inWindow);
    const cell = `w${window}-c${Math.floor(within / ROWS_A_CELL)}`;
    const owner = within % 2 === 0 ? 'north' : 'south';
    return { window, at, cell, digit: within % ROWS_A_CELL, owner };
  });
}

const nameOf = (cell: string, digit: number) => `${cell}-${digit}`;

/** By the start of its window (`null`: the whole), every row that belongs into it. */
export function expectedRows(total: number): Map<number | null, Set<string>> {
  const expected = new Map<number | null, Set<string>>([[null, new Set()]]);
  for (const { window, cell, digit } of rowsOf(total)) {
    const start = BEGIN + window * HOUR_MS;
    const inWindow = expected.get(start) ?? new Set();
    expected.set(start, inWindow.add(nameOf(cell, digit)));
    expected.get(null)?.add(nameOf(cell, digit));
  }
  return expected;
}

type Cells = Readonly<Record<string, unknown>>;

/** How often each row was counted, from the rows of one result. */
export function decodeCounts(groups: readonly Cells[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const group of groups) {
    const cell = String(group['cell']);
    let visits = 0;
    for (const [column, name] of DIGITS.entries()) {
      let rest = BigInt(String(group[name]).split('.')[0] ?? '0');
      for (let digit = 0; rest > 0n; digit += 1, rest >>= 2n) {
        const times = Number(rest & 3n);
        visits += times;
        if (times > 0) counts.set(nameOf(cell, column * DIGITS_EACH + digit), times);
      }
    }
    // Digits that overflowed: so often that it went over into the next one.
    if (visits !== Number(group['visits'])) counts.set(`${cell}-overflow`, Number(group['visits']));
  }
  return counts;
}

/** One CSV file for each window and owner, to be published one after the other. */
export async function writeParts(folder: string, total: number): Promise<Record<Owner, string[]>> {
  const parts: Record<Owner, string[]> = { north: [], south: [] };
  const rows = rowsOf(total);
  for (const owner of OWNERS) {
    for (let window = 0; window < WINDOWS; window += 1) {
      const own = rows.filter((row) => row.owner === owner && row.window === window);
      const file = path.join(folder, `${owner}-${total}-${window}.csv`);
      const lines = own.map((row) => csvLine(row));
      await writeFile(file, `at,cell,${DIGITS.join(',')}\n${lines.join('')}`);
      parts[owner].push(file);
    }
  }
  return parts;
}

function csvLine({ at, cell, digit }: Row): string {
  const worth = (column: number) =>
    Math.floor(digit / DIGITS_EACH) === column ? 4 ** (digit % DIGITS_EACH) : 0;
  const time = new Date(at).toISOString().replace('Z', '');
  return `${time},${cell},${DIGITS.map((_, column) => worth(column)).join(',')}\n`;
}

/** @param urlOf where the worker reaches an owner's service: through a link */
export function faultsPlan(urlOf: (owner: string, url: string) => string): DeploymentPlan {
  const plan: DeploymentPlan = {
    owners: OWNERS,
    analysts: [READER],
    uses: ['north'],
    leases: true,
    contract: (parts) => contractOf(plan, throughLinks(parts, urlOf)),
  };
  return plan;
}

function throughLinks(
  parts: PublicParts,
  urlOf: (owner: string, url: string) => string,
): PublicParts {
  const linked = Object.entries(parts.vaults).map(([owner, vault]) => {
    return [owner, { ...vault, url: urlOf(owner, vault.url) }] as const;
  });
  return { ...parts, vaults: Object.fromEntries(linked) };
}

function contractOf(plan: DeploymentPlan, parts: PublicParts): Contract {
  const columns = [
    { name: 'at', type: 'timestamp-ms', nullable: false },
    { name: 'cell', type: 'utf8', nullable: false },
    ...DIGITS.map((name) => ({ name, type: 'int64', nullable: false })),
  ];
  const rule = {
    relations: ['visits'],
    latenessMs: 0,
    readers: [READER],
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'visits' },
  };
  const hourly = { kind: 'tumbling', sizeMs: HOUR_MS };
  return parseContract({
    strongroom: 'contract/v1',
    title: 'Faults',
    purpose: 'Rows that a sum tells apart',
    version: 1,
    parties: partiesOf(plan, parts),
    datasets: OWNERS.map((owner) => ({
      ...{ id: `visits-${owner}`, ...ownedBy(parts, owner), relation: 'visits' },
      ...{ columns, eventTime: 'at' },
    })),
    queries: [
      { id: 'hourly', sql: QUERIES.hourly, window: hourly, ...rule },
      { id: 'whole', sql: QUERIES.whole, window: { kind: 'whole' }, ...rule },
    ],
    enclave: enclaveOf(parts),
  });
}
