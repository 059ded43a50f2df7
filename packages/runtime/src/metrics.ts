import assert from 'node:assert/strict';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Prometheus metrics of one service, with those of the process (CPU, resident memory, event loop).
 * Labels are names from the contract or fixed words; never a value from a row.
 */
export interface Metrics {
  readonly registry: Registry;
  counter<Label extends string>(
    name: string,
    help: string,
    labels?: readonly Label[],
  ): Counter<Label>;
  gauge<Label extends string>(name: string, help: string, labels?: readonly Label[]): Gauge<Label>;
  /** `buckets`: upper bounds in the metric's unit; default for requests of 1 ms to 10 s. */
  histogram<Label extends string>(
    name: string,
    help: string,
    labels?: readonly Label[],
    buckets?: readonly number[],
  ): Histogram<Label>;
  /** The text that `GET /metrics` answers with. */
  render(): Promise<string>;
}

/** Our prefix and words; the unit comes last (Prometheus naming practice). */
const METRIC_NAME = /^strongroom(_[a-z0-9]+)+$/;
const SECONDS_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });

  const common = <Label extends string>(name: string, help: string, labels: readonly Label[]) => {
    assert(METRIC_NAME.test(name), `metric name ${name}`);
    return { name, help, labelNames: labels, registers: [registry] };
  };
  return {
    registry,
    counter: (name, help, labels = []) => new Counter(common(name, help, labels)),
    gauge: (name, help, labels = []) => new Gauge(common(name, help, labels)),
    histogram: (name, help, labels = [], buckets = SECONDS_BUCKETS) =>
      new Histogram({ ...common(name, help, labels), buckets: [...buckets] }),
    render: () => registry.metrics(),
  };
}
