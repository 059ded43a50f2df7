/**
 * The tables of metrics and labels in docs/operations.md, made from the lists in the code:
 *
 *   node --conditions=strongroom:source scripts/write-metrics.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeMetric, LABELS, metricNames } from '@strongroom/runtime/metric-names';

export const OPERATIONS_FILE = 'docs/operations.md';

const BEGIN = '<!-- made by scripts/write-metrics.ts -->\n';
const END = '<!-- end of what is made -->\n';

/** @returns the page with the tables as they are now */
export function withMetrics(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${OPERATIONS_FILE} has lost its two marks`);
  return `${page.slice(0, begin)}${BEGIN}\n${metricsTable()}\n${labelsTable()}\n${page.slice(end)}`;
}

function metricsTable(): string {
  const rows = metricNames().map((name) => {
    const { kind, of, help, labels } = describeMetric(name);
    const shown = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${kind} | ${of} | ${shown} | ${help} |\n`;
  });
  return `| metric | kind | of | labels | says |\n|---|---|---|---|---|\n${rows.join('')}`;
}

function labelsTable(): string {
  const rows = Object.entries(LABELS).map(([label, values]) => `| \`${label}\` | ${values} |\n`);
  return `| label | its values |\n|---|---|\n${rows.join('')}`;
}

if (import.meta.main) {
  const path = join(dirname(import.meta.dirname), OPERATIONS_FILE);
  writeFileSync(path, withMetrics(readFileSync(path, 'utf8')));
}
