import { parser } from '@prometheus-io/lezer-promql';

/** What one expression asks Prometheus for. */
export interface Asked {
  readonly selectors: readonly { readonly metric: string; readonly labels: readonly string[] }[];
  /** In `by`, `on` and the like. */
  readonly groupedBy: readonly string[];
}

/** Grafana puts a duration there; any will do for a parser. */
const GRAFANA_INTERVAL = /\$__rate_interval/g;

/** @throws for what is no PromQL */
export function readPromql(written: string): Asked {
  const text = written.replace(GRAFANA_INTERVAL, '5m');
  const selectors: { metric: string; labels: string[] }[] = [];
  const groupedBy: string[] = [];
  let isGrouping = false;
  parser.parse(text).iterate({
    enter({ name, type, from, to }) {
      if (type.isError) throw new Error(`no PromQL at ${from}: ${text}`);
      if (name === 'VectorSelector') selectors.push({ metric: '', labels: [] });
      const selector = selectors.at(-1);
      if (name === 'Identifier' && selector) selector.metric = text.slice(from, to);
      if (name === 'GroupingLabels') isGrouping = true;
      if (name !== 'LabelName') return;
      (isGrouping ? groupedBy : (selector?.labels ?? groupedBy)).push(text.slice(from, to));
    },
    leave({ name }) {
      if (name === 'GroupingLabels') isGrouping = false;
    },
  });
  return { selectors, groupedBy };
}
