import type { UseFact } from '@strongroom/protocol/use-entry';
import { printable } from '@strongroom/runtime/printable';
import type { ReadUse, ReadUses } from './read-uses.ts';

/** A ledger of uses as a person reads it. */
export function usesText({ chain, entries }: ReadUses): string {
  const lines = entries.flatMap(entryLines);
  const end = `${chain.length} entries of ${chain.owner}, without a gap; head ${chain.head}`;
  return [...lines, end].map(printable).join('\n');
}

function entryLines({ seal, facts, worker }: ReadUse): string[] {
  const place = `${seal.sequence} (epoch ${seal.epoch})`;
  return facts.map((fact) => `${place} ${factText(fact, worker.measurementName)}`);
}

function factText(fact: UseFact, measurement: string): string {
  switch (fact.kind) {
    case 'start':
      return `a worker began: ${measurement}, with the keys ${fact.keys.join(', ')}`;
    case 'window':
      return [
        `${fact.query} ${windowText(fact.window)}: ${rowsText(fact.inputs)}`,
        `-> ${fact.groups} groups to ${fact.readers.join(', ')}`,
        fact.withheld ? `(withheld: ${fact.withheld})` : `(${fact.suppressedGroups} too small)`,
      ].join(' ');
    case 'refusals':
      return `${fact.dataset}: refused ${countsText(fact.byCode)}`;
    case 'late':
      return [
        `${fact.query}: ${fact.rows} rows of ${fact.dataset} came too late`,
        `for ${windowText(fact.missed)}, ${fact.excluded} of them for every window`,
      ].join(' ');
    case 'retracted':
      return `${fact.dataset}: ${fact.rows} rows taken back by their owner`;
    case 'stop':
      return `ended by ${fact.stoppedBy}: ${rowsText(fact.counted) || 'no row'} counted`;
  }
}

function rowsText(inputs: (UseFact & { kind: 'window' })['inputs']): string {
  const count = (of: string) => inputs.filter(({ dataset }) => dataset === of).length;
  return inputs
    .map(({ dataset, stream, rows }) => {
      return `${rows} rows of ${dataset}${count(dataset) > 1 ? ` (${stream})` : ''}`;
    })
    .join(', ');
}

function countsText(byCode: Readonly<Record<string, number>>): string {
  return Object.entries(byCode)
    .map(([code, count]) => `${count} x ${code}`)
    .join(', ');
}

/** JavaScript's dates end there. */
const MILLISECONDS_SHOWN_MAX = 8.64e15;

function windowText(window: { readonly start: number; readonly end: number } | null): string {
  if (window === null) return 'over all';
  const [start, end] = [window.start, window.end].map((at) =>
    Math.abs(at) > MILLISECONDS_SHOWN_MAX ? String(at) : new Date(at).toISOString(),
  );
  return `[${start}, ${end})`;
}
