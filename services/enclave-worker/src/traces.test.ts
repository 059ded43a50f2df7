import { aggregatesTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import type { LogEntry, LogRecord } from '@strongroom/record-log/log';
import type { SpanStart, Tracing } from '@strongroom/runtime/tracing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation } from '../test/owners.ts';
import { startServices, type TestServices } from '../test/services.ts';
import { logger } from '../test/worker-options.ts';
import { HOUR_MS, PLANS, QUERIES, rowsOf, World } from '../test/world.ts';
import { runWorker } from './lives.ts';
import { Traces } from './traces.ts';
import { startVault } from './vault-process.ts';

const hint = (trace: number, span = 1) =>
  `00-${`${trace}`.padStart(32, 'a')}-${`${span}`.padStart(16, 'b')}-01`;

/** Remembers what was begun; the spans of it are numbered. */
function recorder() {
  const begun: (SpanStart & { traceparent: string; ended?: string | undefined })[] = [];
  const tracing: Tracing = {
    begin(start) {
      const span_id = `${begun.length + 1}`.padStart(16, '0');
      const trace_id = start.parent?.slice(3, 35) ?? 'c'.repeat(32);
      const span = { ...start, traceparent: `00-${trace_id}-${span_id}-01` };
      begun.push(span);
      const end = (code = 'well') => Object.assign(span, { ended: code });
      return { traceparent: span.traceparent, ids: { trace_id, span_id }, end };
    },
    beginCall: () => ({ traceparent: hint(9), end: () => undefined }),
    close: async () => undefined,
  };
  return { begun, tracing };
}

const entry = (offset: number, trace?: string): LogEntry => ({
  ...{ topic: 'visits', partition: 2, offset, key: null, value: new Uint8Array(), headers: {} },
  ...(trace === undefined ? {} : { trace }),
});

describe('traces of a worker', () => {
  test('records that came together are one span for each trace', () => {
    const { begun, tracing } = recorder();
    new Traces(tracing).received('visits', [
      ...[entry(7, hint(1)), entry(8, hint(2)), entry(9, hint(1)), entry(10)],
    ]);
    const told = begun.map(({ parent, attributes, ended }) => [
      ...[parent, attributes?.['messaging.batch.message_count']],
      ...[attributes?.['messaging.kafka.offset'], ended],
    ]);
    expect(told).toEqual([
      [hint(1), 2, 7, 'well'],
      [hint(2), 1, 8, 'well'],
      [undefined, 1, 10, 'well'],
    ]);
  });

  test('a step goes on with the trace of what completed it, and links to the rest', () => {
    const { begun, tracing } = recorder();
    const traces = new Traces(tracing);
    const entries = [entry(1, hint(1)), entry(2, hint(2)), entry(3, hint(3))];
    traces.received('visits', entries);
    traces.handled(entries, entries[1]);
    const later = [entry(4, hint(4)), entry(5, hint(5))];
    traces.received('visits', later);
    // While the step waits for its tick: none of it tells how far the vault came meanwhile.
    traces.handled(later, later[1]);
    traces.closes();
    expect(traces.idsOf(entries[0])?.trace_id).toBe(hint(1).slice(3, 35));
    const [first, second, third] = begun.map(({ traceparent }) => traceparent);
    traces.beginStep('results', 0);
    expect(begun.at(-1)).toMatchObject({ parent: second, links: [first, third] });
    traces.beginStep('results', 0);
    expect(begun.at(-1)).toMatchObject({ parent: second, links: [] });
    traces.closes();
    traces.beginStep('results', 0);
    const [fourth, fifth] = begun.slice(3, 5).map(({ traceparent }) => traceparent);
    expect(begun.at(-1)).toMatchObject({ parent: undefined, links: [fourth, fifth] });
  });

  test('a flood of hints is bounded', () => {
    const { begun, tracing } = recorder();
    const traces = new Traces(tracing);
    for (let round = 0; round < 10; round += 1) {
      const flood = Array.from({ length: 1_000 }, (_, at) => entry(at, hint(round * 1_000 + at)));
      traces.received('visits', flood);
      traces.handled(flood, undefined);
    }
    expect(begun).toHaveLength(160);
    traces.closes();
    traces.beginStep('results', 0);
    expect(begun.at(-1)?.links).toHaveLength(32);
  });

  test('nothing is done where nobody traces', () => {
    const traces = new Traces(undefined);
    traces.received('visits', [entry(1, hint(1))]);
    traces.handled([entry(1, hint(1))], undefined);
    traces.closes();
    expect(traces.beginStep('results', 0)).toBeUndefined();
    expect(traces.idsOf(entry(1, hint(1)))).toBeUndefined();
  });
});

describe('hints of strangers', () => {
  let services: TestServices;
  let computation: Computation;
  let plain: Computation;
  let leased: Computation;
  beforeAll(async () => {
    services = await startServices(() => computation);
    plain = await agreeOn(PLANS, QUERIES, 1, services.url);
    leased = await agreeOn(PLANS, QUERIES, 1, services.url, true);
    computation = plain;
  }, 60_000);
  afterAll(() => services.close());

  /** Each record has another hint, some of them odd. */
  async function worldWithHints(): Promise<World> {
    const world = new World(computation, services);
    const append = world.log.append.bind(world.log);
    let count = 0;
    const withHint = (record: LogRecord): LogRecord => {
      count += 1;
      if (count % 3 === 0) return { ...record, trace: hint(count) };
      const odd = count % 3 === 1 ? `${hint(count)}-row` : 'row'.repeat(10_000);
      return { ...record, headers: { ...record.headers, traceparent: odd } };
    };
    world.log.append = (topic, records) => append(topic, records.map(withHint));
    for (const id of ['north', 'south']) {
      await world.publish(id, rowsOf(2, 20), 2 * HOUR_MS, true);
    }
    return world;
  }

  test.each(['traced', 'untraced', 'traced, under leases'])(
    'refuse no record, reach no vault, and change no result: %s',
    async (how) => {
      computation = how.includes('leases') ? leased : plain;
      const world = await worldWithHints();
      const { begun, tracing } = recorder();
      let requests = '';
      const options = world.options({
        ...(how === 'untraced' ? {} : { tracing }),
        startVault: async () => {
          const vault = await startVault({ logger, deadlineMs: 20_000 });
          const request = vault.request.bind(vault);
          vault.request = (verb, asked, values) => {
            requests += JSON.stringify(asked);
            return request(verb, asked, values);
          };
          return vault;
        },
      });
      const summary = await runWorker(options);
      expect(summary).toMatchObject({ rowsCounted: 80, windows: 3, refusals: {}, done: true });
      expect(requests).toContain('ce_id');
      expect(requests).not.toMatch(/traceparent|"trace"|aaaaaaaa|row-?row/);

      const told = world.entries(aggregatesTopic(computation.contractId));
      const results = told.filter(({ headers }) => headers['ce_type'] === RECORD_TYPES.aggregate);
      const others = told.filter((each) => !results.includes(each));
      expect(results).toHaveLength(3);
      expect(others.map(({ trace }) => trace)).toEqual(others.map(() => undefined));
      const steps = begun.filter(({ operation }) => operation === 'step');
      if (how === 'untraced') {
        expect([begun.length, ...results.map(({ trace }) => trace)]).toEqual([
          ...[0, undefined, undefined, undefined],
        ]);
        return;
      }
      // Every result has one, of one length: whether it has tells of the worker's settings alone.
      expect(results.map(({ trace }) => trace?.length)).toEqual([55, 55, 55]);
      expect(results.every(({ trace }) => steps.some((at) => at.traceparent === trace))).toBe(true);
      expect(begun.filter(({ parent }) => parent !== undefined).length).toBeGreaterThan(1);
      const kept = begun.filter(({ ended }) => ended !== undefined);
      expect(kept.every(({ ended }) => ended === 'well')).toBe(true);
      expect(kept.filter(({ operation }) => operation === 'step')).not.toEqual([]);
    },
    120_000,
  );
});
