import type { Anomaly, AnomalyKind, History, Poll, Stored } from './history.ts';

/**
 * Looks for every anomaly that it has a name for. A write of unknown outcome may be on the log or
 * not; one that was acknowledged must be, and whole.
 */
export function checkHistory(history: History): Anomaly[] {
  return [
    ...checkWrites(history),
    ...checkOrder(history),
    ...checkSteps(history),
    ...checkOffsets(history),
    ...checkPolls(history),
    ...checkResults(history),
    ...checkRows(history),
  ];
}

type Facts = Anomaly['facts'];
const anomaly = (kind: AnomalyKind, facts: Facts): Anomaly => ({ kind, facts });

function committedOf({ stored }: History): Stored[] {
  return stored.filter(({ state }) => state === 'committed');
}

/** lost-write: acknowledged and not there. unseen: there, and shown to no reader of its topic. */
function checkWrites(history: History): Anomaly[] {
  const committed = committedOf(history);
  const there = new Set(committed.map(({ topic, value }) => `${topic} ${value}`));
  const lost = history.acknowledged.flatMap(({ writer, topic, values }) =>
    values
      .filter((value) => !there.has(`${topic} ${value}`))
      .map((value) => anomaly('lost-write', { writer, topic, value })),
  );
  const shown = new Set<string>();
  const polled = new Set<string>();
  for (const { topic, entries } of history.polls) {
    polled.add(topic);
    for (const { offset } of entries) shown.add(`${topic} ${offset}`);
  }
  const unseen = committed
    .filter(({ topic, offset }) => polled.has(topic) && !shown.has(`${topic} ${offset}`))
    .map(({ topic, offset, value }) => anomaly('unseen', { topic, offset, value }));
  return [...lost, ...unseen];
}

/**
 * nonmonotonic-send: a writer's records lie in another order than it sent them in. What a restart
 * sends once more, byte by byte, keeps the place of its first copy.
 */
function checkOrder(history: History): Anomaly[] {
  const found: Anomaly[] = [];
  const newest = new Map<string, number>();
  const first = new Set<string>();
  const firstOffsets = new Map<string, number>();
  for (const { topic, offset, value, place } of committedOf(history)) {
    if (first.has(`${topic} ${value}`)) continue;
    first.add(`${topic} ${value}`);
    firstOffsets.set(`${topic} ${value}`, offset);
    if (place === undefined) continue;
    const line = `${topic} ${place.line}`;
    const before = newest.get(line) ?? -1;
    if (place.number < before) {
      const { number } = place;
      found.push(anomaly('nonmonotonic-send', { topic, offset, line: place.line, number, before }));
    }
    newest.set(line, Math.max(before, place.number));
  }
  return [...found, ...checkSent(history, firstOffsets)];
}

/**
 * torn-transaction: a step is committed on one topic, and on another one only aborted or open. A
 * step that was aborted and left again later is whole.
 */
function checkSteps({ stored }: History): Anomaly[] {
  const found: Anomaly[] = [];
  const steps = groupBy(stored, ({ step = '' }) => step);
  steps.delete('');
  for (const [step, records] of steps) {
    const whole = groupBy(records, ({ topic, state }) => `${topic} ${state}`);
    const topics = [...new Set(records.map(({ topic }) => topic))];
    const isThere = (topic: string) => whole.has(`${topic} committed`);
    if (!topics.some(isThere)) continue;
    for (const topic of topics) {
      if (!isThere(topic)) found.push(anomaly('torn-transaction', { step, topic }));
    }
  }
  return found;
}

/** By what the writer was told: the records of one writer, in its own order. */
function checkSent({ acknowledged }: History, offsets: ReadonlyMap<string, number>): Anomaly[] {
  const found: Anomaly[] = [];
  const last = new Map<string, number>();
  const told = new Set<string>();
  for (const { writer, topic, values } of acknowledged) {
    for (const value of values) {
      const offset = offsets.get(`${topic} ${value}`);
      if (offset === undefined || told.has(`${topic} ${value}`)) continue;
      told.add(`${topic} ${value}`);
      const before = last.get(`${writer} ${topic}`) ?? -1;
      if (offset < before)
        found.push(anomaly('nonmonotonic-send', { writer, topic, offset, before }));
      last.set(`${writer} ${topic}`, Math.max(offset, before));
    }
  }
  return found;
}

/**
 * inconsistent-offsets: two values at one place. G1a: a reader was shown what was aborted.
 * precommitted-read: a reader was shown what was not committed yet.
 */
function checkOffsets({ stored, polls }: History): Anomaly[] {
  const found: Anomaly[] = [];
  const at = new Map<string, Stored>();
  for (const each of stored) at.set(`${each.topic} ${each.offset}`, each);
  const shown = new Map<string, string>();
  for (const { session, topic, entries, end } of polls) {
    for (const { offset, value } of entries) {
      const place = `${topic} ${offset}`;
      const disk = at.get(place);
      const facts = { session, topic, offset };
      if (disk?.state === 'aborted') found.push(anomaly('G1a', facts));
      const other = disk === undefined ? 'nothing' : disk.value;
      const before = shown.get(place) ?? value;
      if (other !== value || before !== value) {
        found.push(anomaly('inconsistent-offsets', { ...facts, value, other }));
      }
      shown.set(place, value);
      if (offset >= end || disk?.state === 'open') {
        found.push(anomaly('precommitted-read', { ...facts, end }));
      }
    }
  }
  return found;
}

/** poll-skip: a session passed over a committed record. nonmonotonic-poll: it went back. */
function checkPolls(history: History): Anomaly[] {
  const found: Anomaly[] = [];
  const committed = new Map<string, number[]>();
  for (const { topic, offset } of committedOf(history)) {
    committed.set(topic, [...(committed.get(topic) ?? []), offset]);
  }
  for (const [session, polls] of groupBy(
    history.polls,
    ({ session, topic }) => `${session} ${topic}`,
  )) {
    const { from = 0, topic = '' } = polls[0] ?? {};
    let next = from;
    for (const { offset } of polls.flatMap(({ entries }: Poll) => entries)) {
      if (offset < next) found.push(anomaly('nonmonotonic-poll', { session, offset, next }));
      const skipped = (committed.get(topic) ?? []).find((each) => each >= next && each < offset);
      if (skipped !== undefined) found.push(anomaly('poll-skip', { session, skipped, offset }));
      next = Math.max(next, offset + 1);
    }
  }
  return found;
}

/**
 * divergent-result: two byte strings for one place, wherever they lie. duplicate: one place twice
 * among what was committed. gap: emissions are not 0, 1, 2, ... or windows do not rise.
 */
function checkResults({ results, windows }: History): Anomaly[] {
  const found: Anomaly[] = [];
  for (const copies of groupBy(results, placeOf).values()) {
    const [{ query, reader, emission }] = copies as [History['results'][number]];
    const values = new Set(copies.map(({ value }) => value));
    const committed = copies.filter(({ state }) => state === 'committed');
    const facts = { query, reader, emission };
    if (values.size > 1) found.push(anomaly('divergent-result', { ...facts, copies: values.size }));
    if (committed.length > 1) {
      found.push(anomaly('duplicate', { ...facts, copies: committed.length }));
    }
  }
  const committed = results.filter(({ state }) => state === 'committed');
  for (const [line, of] of groupBy(committed, ({ query, reader }) => `${query} ${reader}`)) {
    found.push(...checkPrefix(line, of));
    const total = windows[line.split(' ')[0] ?? ''] ?? 0;
    const emitted = new Set(of.map(({ emission }) => emission)).size;
    if (emitted !== total) found.push(anomaly('gap', { line, emitted, total }));
  }
  return found;
}

function placeOf({ query, reader, emission }: History['results'][number]): string {
  return `${query} ${reader} ${emission}`;
}

function checkPrefix(line: string, results: History['results']): Anomaly[] {
  const found: Anomaly[] = [];
  let next = 0;
  let newest = Number.NEGATIVE_INFINITY;
  for (const { emission, window, offset } of results) {
    if (emission > next) found.push(anomaly('gap', { line, offset, emission, next }));
    if (emission < next) continue;
    if (window !== null && window <= newest) found.push(anomaly('gap', { line, offset, window }));
    newest = window ?? newest;
    next = emission + 1;
  }
  return found;
}

/** Rows decoded from the sums: each of its window once, and no other. */
function checkRows({ counts }: History): Anomaly[] {
  const found: Anomaly[] = [];
  const first = (query: string, window: number | null, kind: AnomalyKind, rows: string[]) => {
    const [row] = rows;
    if (row !== undefined) found.push(anomaly(kind, { query, window, row, rows: rows.length }));
  };
  for (const { query, window, expected, found: counted } of counts) {
    const missing = [...expected].filter((row) => (counted.get(row) ?? 0) === 0);
    const many = [...counted].filter(([row, times]) => times > 1 && expected.has(row));
    const strange = [...counted].filter(([row, times]) => times !== 0 && !expected.has(row));
    first(query, window, 'lost-write', missing);
    first(
      query,
      window,
      'duplicate',
      many.map(([row]) => row),
    );
    first(
      query,
      window,
      'phantom-row',
      strange.map(([row]) => row),
    );
  }
  return found;
}

function groupBy<Value>(
  values: readonly Value[],
  nameOf: (value: Value) => string,
): Map<string, Value[]> {
  const groups = new Map<string, Value[]>();
  for (const value of values) {
    const group = groups.get(nameOf(value));
    if (group) group.push(value);
    else groups.set(nameOf(value), [value]);
  }
  return groups;
}
