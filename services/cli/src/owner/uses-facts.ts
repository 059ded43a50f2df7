import type { UseFact } from '@strongroom/protocol/use-entry';
import type { ReadUse, ReadUses } from '../read-uses.ts';
import type { UsedWindow, UsesFacts } from './facts.ts';

/** A page shows so many; `strongroom uses` prints all. */
const WINDOWS_SHOWN = 200;

/** What became of an owner's data, summed up, with the newest windows one by one. */
export function usesFacts({ chain, entries, refused }: ReadUses): UsesFacts {
  const facts = entries.flatMap((entry) => entry.facts);
  const stop = facts.find((fact) => fact.kind === 'stop');
  const windows = entries.flatMap(windowsOf);
  return {
    entries: chain.length,
    head: chain.head,
    starts: facts.filter(({ kind }) => kind === 'start').length,
    lateRows: rowsOf(facts, 'late'),
    retractedRows: rowsOf(facts, 'retracted'),
    refusals: refusalsOf(facts),
    refusedRecords: refused.length,
    windows: windows.slice(-WINDOWS_SHOWN).reverse(),
    windowsInAll: windows.length,
    ...(stop ? { stop: { by: stop.stoppedBy, at: stop.at } } : {}),
  };
}

function rowsOf(facts: readonly UseFact[], kind: 'late' | 'retracted'): number {
  let rows = 0;
  for (const fact of facts) if (fact.kind === kind) rows += fact.rows;
  return rows;
}

function refusalsOf(facts: readonly UseFact[]): UsesFacts['refusals'] {
  const counts = new Map<string, number>();
  for (const fact of facts) {
    if (fact.kind !== 'refusals') continue;
    for (const [code, count] of Object.entries(fact.byCode)) {
      counts.set(code, (counts.get(code) ?? 0) + count);
    }
  }
  return [...counts].map(([code, count]) => ({ code, count }));
}

function windowsOf({ seal, facts, worker }: ReadUse): UsedWindow[] {
  return facts.flatMap((fact) => {
    if (fact.kind !== 'window') return [];
    const { query, window, inputs, groups, suppressedGroups, withheld = '', readers } = fact;
    const rows = inputs.reduce((sum, each) => sum + each.rows, 0);
    const id = `${seal.sequence}.${query}.${fact.emission}`;
    const code = worker.measurementName;
    return { id, query, window, rows, groups, suppressedGroups, withheld, readers, code };
  });
}
