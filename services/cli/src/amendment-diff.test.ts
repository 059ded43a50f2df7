// More than 300 lines, because one document is edited by a table and by a property.
import type { Contract } from '@strongroom/protocol/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Change, changeLines, changesBetween } from './amendment-diff.ts';
import { isObject } from './json.ts';

/** A document with everything that a contract may say; whether it is a good one is not asked. */
// biome-ignore lint/suspicious/noExplicitAny: a test edits any place of it
function example(): any {
  const dataset = (owner: string) => ({
    ...{ id: `flights-${owner}`, owner, relation: 'flights', eventTime: 'at', keyId: 'kek' },
    columns: [
      { name: 'at', type: 'timestamp-ms', nullable: false },
      { name: 'delay', type: 'int16', nullable: true },
      { name: 'place', type: 'utf8', nullable: false, canonical: { form: 'trimmed/1' } },
    ],
    wrappingKey: { kty: 'EC', crv: 'P-256', x: 'xx', y: 'yy' },
    streams: [{ id: 'a', partition: 0 }],
    rules: {
      columns: {
        at: { dimension: {}, joinKey: { matches: 'exact', rowsPerKey: 2 } },
        delay: {
          measure: { low: '0', high: '600', functions: ['avg', 'sum'], weights: 'accepted' },
        },
        place: { dimension: { values: ['A', 'B'] } },
      },
      minimumContributors: { group: 20, ofOwner: 5 },
      functions: ['avg', 'count'],
      maximumGroups: 100,
      joinRequired: true,
      approvedQueries: [{ id: 'daily', sqlSha256: 'ab' }],
    },
  });
  const party = (id: string) => ({
    ...{ id, name: id.toUpperCase(), signingKey: { kty: 'OKP', x: id } },
    readingKey: { kty: 'EC', x: 'r' },
    keyRelease: {
      ...{ url: `https://${id}.example`, releaseKey: { kty: 'RSA', n: 'n' } },
      ...{ stateShareKeyId: 's', averaging: 'accepted' },
      lease: { url: 'https://l', statementKey: { kty: 'RSA' } },
    },
  });
  return {
    ...{ strongroom: 'contract/v1', title: 'Delays', purpose: 'Statistics', version: 1 },
    parties: [party('north'), party('south'), party('authority'), party('press')],
    datasets: [
      dataset('north'),
      { ...dataset('south'), keyShares: { threshold: 2, holders: [{ party: 'north', point: 1 }] } },
    ],
    queries: [
      {
        ...{ id: 'daily', sql: 'SELECT count(*) AS n FROM flights', relations: ['flights'] },
        window: { kind: 'tumbling', sizeMs: 86_400_000 },
        latenessMs: 0,
        readers: ['authority'],
        disclosure: { minimumGroupRows: 20, groupRowsColumn: 'n' },
        privacy: { mechanism: 'laplace', epsilon: '0.5', bounds: { perWindow: 3 } },
      },
    ],
    enclave: {
      platform: 'amd',
      measurements: [{ name: 'build 1', sha384: 'aa', pcrs: { 4: 'bb' } }],
      minimumTcb: { Genoa: { snp: 3, tee: 1 } },
      authorities: [{ issuer: 'https://attest.example', keys: [{ kty: 'RSA', n: 'n' }] }],
      ...{ agreement: 1, ownVerification: true, guestPolicy: { vmpl: 1 } },
    },
  };
}

type Edit = (draft: ReturnType<typeof example>) => void;
function changesOf(edit: Edit): Change[] {
  const [old, now] = [example(), example()];
  edit(now);
  return changesBetween(old as Contract, now as Contract);
}

describe('in words', () => {
  test.each<[string, Edit, string, RegExp]>([
    [
      'a reader',
      (c) => c.queries[0].readers.push('press'),
      'reveals',
      /^lets press see results of query daily, for every day of event time, that it could not see/,
    ],
    ['a reader less', (c) => c.queries[0].readers.pop(), 'tightens', /authority no longer sees/],
    [
      'a query',
      (c) => c.queries.push({ ...c.queries[0], id: 'hourly', readers: ['press'] }),
      'reveals',
      /^lets press see results of query hourly/,
    ],
    ['no query', (c) => c.queries.pop(), 'tightens', /takes query daily away/],
    [
      'a smaller group',
      (c) => Object.assign(c.queries[0].disclosure, { minimumGroupRows: 10 }),
      'reveals',
      /minimum group of query daily falls from 20 to 10 rows/,
    ],
    [
      'a larger group',
      (c) => Object.assign(c.queries[0].disclosure, { minimumGroupRows: 100 }),
      'tightens',
      /rises from 20 to 100 rows/,
    ],
    [
      'accepted differences',
      (c) => Object.assign(c.queries[0].disclosure, { differences: 'accepted' }),
      'reveals',
      /query daily has all parties accept that its results and others differ in a group below/,
    ],
    [
      'other SQL',
      (c) => Object.assign(c.queries[0], { sql: 'SELECT 1' }),
      'reveals',
      /something else/,
    ],
    [
      'shorter windows',
      (c) => Object.assign(c.queries[0].window, { sizeMs: 3_600_000 }),
      'reveals',
      /query daily is answered for every hour of event time; before: for every day/,
    ],
    [
      'longer windows',
      (c) => Object.assign(c.queries[0].window, { sizeMs: 172_800_000 }),
      'changes',
      /2 days/,
    ],
    [
      'less noise',
      (c) => Object.assign(c.queries[0].privacy, { epsilon: '1' }),
      'reveals',
      /epsilon .* less noise/,
    ],
    [
      'more noise',
      (c) => Object.assign(c.queries[0].privacy, { epsilon: '0.1' }),
      'tightens',
      /more noise/,
    ],
    ['no noise', (c) => delete c.queries[0].privacy, 'reveals', /lose their noise/],
    [
      'a dimension',
      (c) => Object.assign(c.datasets[0].rules.columns.delay, { dimension: {} }),
      'reveals',
      /column delay of dataset flights-north becomes a dimension/,
    ],
    [
      'a column that was hidden',
      (c) => delete c.datasets[0].rules.columns.place,
      'tightens',
      /column place of dataset flights-north becomes hidden/,
    ],
    ['no rules', (c) => delete c.datasets[1].rules, 'reveals', /loses its rules/],
    [
      'fewer contributors',
      (c) => Object.assign(c.datasets[0].rules.minimumContributors, { group: 5 }),
      'reveals',
      /distinct contributors \(group\): from 20 to 5/,
    ],
    [
      'more values',
      (c) => c.datasets[0].rules.columns.place.dimension.values.push('C'),
      'reveals',
      /newly: .*"C"/,
    ],
    [
      'more groups',
      (c) => delete c.datasets[0].rules.maximumGroups,
      'reveals',
      /another number of groups/,
    ],
    [
      'a wider type',
      (c) => Object.assign(c.datasets[0].columns[1], { type: 'int64' }),
      'changes',
      /column delay of dataset flights-north becomes "int64", before "int16": every value is kept/,
    ],
    [
      'a column',
      (c) => c.datasets[0].columns.push({ name: 'gate', type: 'utf8', nullable: true }),
      'reveals',
      /adds column gate of dataset flights-north: utf8, which may be missing/,
    ],
    [
      'a measurement',
      (c) => c.enclave.measurements.push({ name: 'build 2', sha384: 'cc' }),
      'trusts',
      /worker measurements: adds build 2 cc/,
    ],
    ['an old measurement', (c) => c.enclave.measurements.pop(), 'tightens', /removes build 1 aa/],
    [
      'a simulation',
      (c) => Object.assign(c.enclave, { platform: 'simulated' }),
      'reveals',
      /SIMULATED/,
    ],
    [
      'no own look',
      (c) => delete c.enclave.ownVerification,
      'trusts',
      /verify the report themselves/,
    ],
    [
      'a lower floor',
      (c) => Object.assign(c.enclave.minimumTcb.Genoa, { snp: 2 }),
      'trusts',
      /Genoa.snp/,
    ],
    [
      'a party',
      (c) => c.parties.push({ id: 'new', name: 'New' }),
      'trusts',
      /new \(New\) becomes a party/,
    ],
    ['a party less', (c) => c.parties.pop(), 'changes', /press is no party any more/],
    [
      'another key',
      (c) => Object.assign(c.parties[0].signingKey, { x: 'q' }),
      'trusts',
      /north signs with another key/,
    ],
    [
      'no lease',
      (c) => delete c.parties[1].keyRelease.lease,
      'trusts',
      /south keeps no lease any more/,
    ],
    ['an order', (c) => c.parties.reverse(), 'changes', /the order of parties/],
  ])('%s', (_name, edit, effect, text) => {
    expect(changesOf(edit)).toEqual([
      expect.objectContaining({ effect, text: expect.stringMatching(text), raw: false }),
    ]);
  });

  test('a key is called by its thumbprint, and is whole beside it', () => {
    const before = { kty: 'RSA', n: Buffer.alloc(384, 0xc1).toString('base64url'), e: 'AQAB' };
    const after = { ...before, n: Buffer.alloc(384, 0xc3).toString('base64url') };
    const [old, now] = [example(), example()];
    Object.assign(old.datasets[0], { wrappingKey: before });
    Object.assign(now.datasets[0], { wrappingKey: after });
    now.parties.push({ id: 'new', name: 'New', signingKey: { ...after } });
    const changes = changesBetween(old, now);
    const [wrapping, party] = changes;
    const called = /RSA key of 3072 bits, thumbprint [\w-]{43}/;
    expect(wrapping).toMatchObject({
      places: ['datasets/flights-north/wrappingKey'],
      values: [{ before, after }],
      detail: [expect.stringMatching(new RegExp(`^from ${called.source} to ${called.source}$`))],
    });
    expect(party?.detail.join('\n')).toMatch(called);
    expect(changeLines(changes).join('\n')).not.toContain(after.n.slice(0, 20));
    // What is no key by its members is shown as it is.
    Object.assign(now.datasets[0], { wrappingKey: { ...after, d: 'secret' } });
    expect(changeLines(changesBetween(old, now)).join('\n')).toContain(after.n);
  });

  test('what no sentence is known for is shown as it is, before everything else', () => {
    const [first, ...others] = changesOf((draft) => {
      Object.assign(draft, { surprise: { deep: [1] }, title: 'Other' });
      draft.queries[0].readers.push('press');
    });
    expect(first).toMatchObject({ raw: true, effect: 'reveals' });
    expect(first?.text).toBe('NOT EXPLAINED: surprise from (nothing) to {"deep":[1]}');
    expect(others.map(({ effect }) => effect)).toEqual(['reveals', 'changes']);
  });

  test('a party reads first what touches it', () => {
    const changes = changesOf((draft) => {
      draft.queries.push({ ...draft.queries[0], id: 'press-query', readers: ['press'] });
      draft.queries.at(-1).relations = ['flights'];
      Object.assign(draft.datasets[1], { keyId: 'other' });
    });
    expect(changes[0]?.concerns).toEqual(['north', 'press', 'south']);
    const lines = changeLines(changes, 'authority');
    const [own, between] = [lines.indexOf('For authority:'), lines.indexOf('Between others:')];
    const query = lines.findIndex((line) => line.includes('press-query'));
    expect(own).toBe(0);
    expect(query).toBeGreaterThan(between);
    expect(changeLines([])).toEqual(['Nothing changes.']);
  });
});

/** A random place below a value, as steps. */
function placesIn(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  const below = Array.isArray(value)
    ? value.flatMap((each, index) => placesIn(each, [...path, index]))
    : isObject(value)
      ? Object.entries(value).flatMap(([name, each]) => placesIn(each, [...path, name]))
      : [];
  return path.length === 0 ? below : [[...path], ...below];
}

// biome-ignore lint/suspicious/noExplicitAny: any place of a document
function holderOf(document: any, path: readonly (string | number)[]): any {
  return path.slice(0, -1).reduce((value, step) => value[step], document);
}

/**
 * Takes a place that a change names out of a document: what is left of both must be equal. It is a
 * second reading of what places mean, by value and not by the code that found them.
 */
function without(document: unknown, places: readonly string[]): unknown {
  const cut = (value: unknown, path: string): unknown => {
    if (places.includes(path)) return undefined;
    const at = (step: string) => (path === '' ? step : `${path}/${step}`);
    if (Array.isArray(value)) {
      const left = value.flatMap((each) => {
        const rest = cut(each, at(nameOf(each)));
        return rest === undefined ? [] : [rest];
      });
      return places.includes(at('(order)'))
        ? new Set(left.map((each) => JSON.stringify(each)))
        : left;
    }
    if (!isObject(value)) return value;
    const members = Object.entries(value).map(([name, each]) => [name, cut(each, at(name))]);
    return Object.fromEntries(members.filter(([, each]) => each !== undefined));
  };
  return cut(document, '');
}

function nameOf(each: unknown): string {
  if (!isObject(each)) return `${each}`;
  const { id, name, sha384, issuer, party } = each;
  return `${sha384 ?? issuer ?? id ?? name ?? party}`;
}

describe('nothing is left out', () => {
  const all = placesIn(example());
  const edits = fc.array(
    fc.tuple(
      fc.nat({ max: all.length - 1 }),
      fc.oneof(
        fc.constant('gone' as const),
        fc.constant('twice' as const),
        fc.record({ value: fc.jsonValue({ maxDepth: 2 }) }),
      ),
    ),
    { minLength: 1, maxLength: 6 },
  );

  test('whatever is edited, what no sentence is about is equal in both', () => {
    let [tried, judged] = [0, 0];
    fc.assert(
      fc.property(edits, (list) => {
        tried += 1;
        const [old, now] = [example(), example()];
        for (const [place, what] of list) apply(now, all[place] ?? [], what);
        const after = JSON.parse(JSON.stringify(now));
        const changes = safely(() => changesBetween(old, after));
        // A document that no contract is may be refused, but is not passed over.
        if (!changes) return;
        judged += 1;
        const places = changes.flatMap((change) => change.places);
        expect(without(after, places)).toEqual(without(old, places));
        const isSame = JSON.stringify(after) === JSON.stringify(old);
        if (isSame) expect(changes).toEqual([]);
        for (const change of changes) expect(change.text).not.toBe('');
      }),
      { numRuns: 1_000 },
    );
    expect(judged / tried).toBeGreaterThan(0.5);
  });

  test('every single place that is edited is told', () => {
    for (const path of all) {
      for (const what of ['gone', { value: 'edited' }] as const) {
        const [old, now] = [example(), example()];
        apply(now, path, what);
        const changes = safely(() => changesBetween(old, JSON.parse(JSON.stringify(now))));
        if (changes) expect(changes.length, path.join('/')).toBeGreaterThan(0);
      }
    }
  });
});

function apply(
  document: unknown,
  path: readonly (string | number)[],
  what: 'gone' | 'twice' | { readonly value: unknown },
): void {
  const last = path.at(-1);
  try {
    const holder = holderOf(document, path);
    if (last === undefined || typeof holder !== 'object' || holder === null) return;
    if (typeof what === 'object') holder[last] = what.value;
    else if (!Array.isArray(holder)) delete holder[last];
    else if (what === 'gone') holder.splice(Number(last), 1);
    else holder.push(structuredClone(holder[Number(last)]));
  } catch {
    // An edit before took away what this one is about.
  }
}

/** The sections of a contract are lists and objects: `parseContract` has seen to that. */
function safely(run: () => Change[]): Change[] | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
