import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { LOG_FIELDS } from '@strongroom/runtime/logger';
import { describeMetric, metricNames } from '@strongroom/runtime/metric-names';
import { createMetrics } from '@strongroom/runtime/metrics';
import { SPAN_ATTRIBUTES } from '@strongroom/runtime/tracing';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { OPERATIONS_FILE, withMetrics } from '../../scripts/write-metrics.ts';
import { readPromql } from './promql.ts';
import { findPromtool } from './promtool.ts';
import { isTest, ROOT, readText, repositoryPaths } from './source-files.ts';

/** What is measured, what pages say of it, and what dashboards and alerts make of it, agree. */

const FOLDER = 'deploy/observability';
const ALERTS_FILE = `${FOLDER}/alerts.yml`;
const DASHBOARD_FILE = `${FOLDER}/dashboard.json`;

const AlertSchema = z.strictObject({
  alert: z.string().regex(/^Strongroom[A-Z][A-Za-z]+$/),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.strictObject({
    summary: z.string(),
    description: z.string(),
    runbook_url: z.string(),
  }),
});
const RulesSchema = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(AlertSchema) })),
});
const TargetSchema = z.looseObject({ expr: z.string(), legendFormat: z.string() });
const DashboardSchema = z.looseObject({
  panels: z.array(
    z.looseObject({
      title: z.string(),
      type: z.string(),
      targets: z.array(TargetSchema).optional(),
    }),
  ),
  templating: z.looseObject({
    list: z.array(
      z.looseObject({
        name: z.string(),
        query: z.union([z.string(), z.looseObject({ query: z.string() })]),
      }),
    ),
  }),
  annotations: z.looseObject({ list: z.array(z.looseObject({ expr: z.string() })) }),
});

const sources = repositoryPaths()
  .filter((path) => /^(packages|services)\/[^/]+\/src\/.*\.ts$/.test(path) && !isTest(path))
  .map((path) => ({ path, text: readText(path) }));
const alerts = RulesSchema.parse(parse(readText(ALERTS_FILE))).groups.flatMap(({ rules }) => rules);
const dashboard = DashboardSchema.parse(JSON.parse(readText(DASHBOARD_FILE)));

/** By series: the labels that it has, those of the target that Prometheus adds included. */
async function knownSeries(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const ofTarget = ['job', 'instance', 'service'];
  const known = new Map([
    ['up', new Set(['job', 'instance'])],
    ['ALERTS', new Set(['alertname', 'alertstate'])],
  ]);
  for (const { name, type } of await createMetrics('test').registry.getMetricsAsJSON()) {
    if (String(type) !== 'histogram') known.set(name, new Set(ofTarget));
  }
  for (const name of metricNames()) {
    const { kind, labels } = describeMetric(name);
    const all = [...labels, ...ofTarget];
    if (kind !== 'histogram') known.set(name, new Set(all));
    else {
      known.set(`${name}_bucket`, new Set([...all, 'le']));
      known.set(`${name}_count`, new Set(all));
      known.set(`${name}_sum`, new Set(all));
    }
  }
  return known;
}
const series = await knownSeries();

/** Everything in an expression, and in the text beside it, that no service has. */
function unknownIn(expression: string, text = ''): string[] {
  const { selectors, groupedBy } = readPromql(expression);
  const used = [...text.matchAll(/\$labels\.(\w+)|\{\{(\w+)\}\}/g)].map((at) => at[1] ?? at[2]);
  return selectors.flatMap(({ metric, labels }) => {
    const has = series.get(metric);
    if (has === undefined) return [metric];
    const missing = [...labels, ...groupedBy, ...used].filter((label) => !has.has(label ?? ''));
    return missing.map((label) => `${metric}{${label}}`);
  });
}

describe('the page of operations', () => {
  test('has the metrics and labels of the code', () => {
    const page = readText(OPERATIONS_FILE);
    expect(page, 'run scripts/write-metrics.ts').toBe(withMetrics(page));
  });

  test('every metric is measured somewhere, and made in one file', () => {
    const elsewhere = sources.filter(({ path }) => !path.endsWith('/metric-names.ts'));
    const unused = metricNames().filter(
      (name) => !elsewhere.some(({ text }) => text.includes(`'${name}'`)),
    );
    expect(unused).toEqual([]);
    const makers = sources.filter(({ text }) => text.includes("from 'prom-client'"));
    expect(makers.map(({ path }) => path)).toEqual(['packages/runtime/src/metrics.ts']);
  });

  test('has a runbook for each alert, and for no other', () => {
    const [, part = ''] = readText(OPERATIONS_FILE).split('\n## Alerts\n');
    const runbooks = part.split('\n## ')[0]?.match(/(?<=^### ).*$/gm);
    expect(runbooks).toEqual(alerts.map(({ alert }) => alert));
  });
});

describe('the page of logs and traces', () => {
  const page = readText('docs/observability.md');
  const cells = (title: string) =>
    (page.split(`\n### ${title}\n`)[1]?.split('\n#')[0] ?? '')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));

  test('has every field, and no other', () => {
    const told = cells('Fields').map(([, field, kind]) => [field, kind]);
    expect(told).toEqual(Object.entries(LOG_FIELDS));
  });

  test('has every attribute of spans, and no other', () => {
    const told = cells('Attributes').map(([, attribute, kind]) => [attribute, kind]);
    expect(told).toEqual(Object.entries(SPAN_ATTRIBUTES));
  });

  test('has every event with its levels, and no other', () => {
    const written = new Map<string, Set<string>>();
    for (const { path, text } of sources) {
      for (const [, level = '', words = ''] of text.matchAll(LOGGED)) {
        const events = words.match(/'[a-z][a-z0-9-]*'/g) ?? [];
        expect(events.length, `${path}: an event is a constant`).toBeGreaterThan(0);
        for (const event of events) {
          const levels = written.get(event.slice(1, -1)) ?? new Set();
          written.set(event.slice(1, -1), levels.add(level));
        }
      }
    }
    const told = cells('Events').map(([, event, , levels]) => [event, levels?.split(', ')]);
    const inOrder = [...written].map(([event, levels]) => [event, [...levels].sort()]);
    expect(told.toSorted()).toEqual(inOrder.toSorted());
  });
});

/** A call of a logger, and what its first argument is made of. */
const LOGGED = /\b[lL]ogger\??\.(debug|info|warn|error)\(\s*((?:\w+ \? '[^']*' : )?'[^']*'|[^)]*)/g;

describe('alerts', () => {
  test.each(alerts)('$alert', ({ alert, expr, annotations }) => {
    const { runbook_url, summary, description } = annotations;
    expect(unknownIn(expr, summary + description)).toEqual([]);
    expect(runbook_url).toBe(`${OPERATIONS_FILE}#${alert.toLowerCase()}`);
  });

  const promtool = findPromtool();
  test.runIf(promtool).each([
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'alerts.yml'],
    ['test', 'rules', 'alerts.test.yml'],
  ])('promtool %s %s %s', (...args) => {
    const done = spawnSync(promtool ?? '', args, { cwd: join(ROOT, FOLDER), encoding: 'utf8' });
    expect(done.status, done.stdout + done.stderr).toBe(0);
  });

  test('each one is fired by a test', () => {
    const tests = readText(`${FOLDER}/alerts.test.yml`);
    const untested = alerts.filter(({ alert }) => !tests.includes(`alertname="${alert}"`));
    expect(untested).toEqual([]);
  });
});

describe('the dashboard', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');

  test.each(panels)('$title', ({ targets = [] }) => {
    expect(targets.length).toBeGreaterThan(0);
    for (const { expr, legendFormat } of targets) {
      expect(unknownIn(expr, legendFormat)).toEqual([]);
    }
  });

  test('its variables and annotations', () => {
    const values = dashboard.templating.list.flatMap(({ query }) => {
      const asked = typeof query === 'string' ? query : query.query;
      const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(asked) ?? [];
      return selector === undefined ? [] : [[selector, `{{${label}}}`] as const];
    });
    expect(values).toHaveLength(2);
    expect(values.flatMap(([selector, label]) => unknownIn(selector, label))).toEqual([]);
    expect(dashboard.annotations.list.flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
  });

  test('shows every metric of ours', () => {
    const text = JSON.stringify(dashboard);
    expect(metricNames().filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe('canaries', () => {
  test.each([
    ['sum(strongroom_worker_rows)', '', 'strongroom_worker_rows'],
    ['strongroom_worker_rows_total{row="x"}', '', 'strongroom_worker_rows_total{row}'],
    ['sum by (query) (up)', '', 'up{query}'],
    ['strongroom_worker_epoch', 'of {{dataset}}', 'strongroom_worker_epoch{dataset}'],
    ['strongroom_http_request_seconds', '', 'strongroom_http_request_seconds'],
  ])('%s', (expression, text, found) => {
    expect(unknownIn(expression, text)).toEqual([found]);
  });

  test('what is no PromQL', () => {
    expect(() => readPromql('sum by (job (up)')).toThrow('no PromQL');
  });
});
