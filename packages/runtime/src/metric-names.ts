/**
 * Every metric that a service may have, and every label: what is not on these lists cannot be
 * measured, so a value of a row has no name to hide under. The tables of docs/operations.md are
 * made from them, and tests hold the dashboard and the alerts to them.
 *
 * Names follow Prometheus' practice: our prefix, the service, the thing, its unit; what only rises
 * ends in `_total`.
 */

/** What a label's values are. None is more than the contract, the log or the code of us shows. */
export const LABELS = {
  code: 'a code of docs/errors.md',
  dataset: "a dataset's name in the contract",
  method: 'a method of HTTP',
  outcome: 'a word of ours (`released`, `token`, `answered` …) or a code of docs/errors.md',
  part: 'a part of a step: `prepare`, `lease`, `commit`',
  partition: "a number of the log's partition",
  query: "a query's name in the contract",
  route: 'the pattern of a route, never the path that was asked for',
  status: 'a status of HTTP',
  stream: "a stream's name in the contract; empty where the contract names none",
  way: 'how a challenge came: `http`, `log`',
  what: 'a word of ours: `batches`, `opening`, `manifest`, `end`',
} as const satisfies Readonly<Record<string, string>>;

interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** By its name in the label `service`; absent: of every service. */
  readonly of?: string;
  readonly help: string;
  readonly labels?: readonly (keyof typeof LABELS)[];
}

export const METRICS = {
  strongroom_http_request_seconds: {
    kind: 'histogram',
    help: 'Time to answer a request.',
    labels: ['method', 'route', 'status'],
  },
  strongroom_producer_rows_total: {
    kind: 'counter',
    of: 'producer',
    help: 'Rows that this run has published.',
  },
  strongroom_producer_bytes_total: {
    kind: 'counter',
    of: 'producer',
    help: 'Bytes that this run has sent.',
  },
  strongroom_producer_watermark_timestamp_seconds: {
    kind: 'gauge',
    of: 'producer',
    help: 'Event time up to which all rows were sent.',
  },
  strongroom_worker_rows_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Rows counted for the first time.',
  },
  strongroom_worker_batches_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Sealed batches taken.',
  },
  strongroom_worker_refusals_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Records that were refused, by code.',
    labels: ['code'],
  },
  strongroom_worker_late_batches_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Batches with rows that missed a window of the query; owners are told how many rows.',
    labels: ['query'],
  },
  strongroom_worker_windows_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Windows whose results were committed.',
  },
  strongroom_worker_aggregates_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Sealed results committed.',
  },
  strongroom_worker_challenges_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Challenges for evidence, by way and outcome.',
    labels: ['way', 'outcome'],
  },
  strongroom_worker_lives_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Lives that this process began.',
  },
  strongroom_worker_life_ends_total: {
    kind: 'counter',
    of: 'worker',
    help: 'Lives that ended with an error, by code.',
    labels: ['code'],
  },
  strongroom_worker_epoch: {
    kind: 'gauge',
    of: 'worker',
    help: 'Epoch of this worker.',
  },
  strongroom_worker_sequences: {
    kind: 'gauge',
    of: 'worker',
    help: 'Sequence number of a stream that is awaited next.',
    labels: ['dataset', 'stream'],
  },
  strongroom_worker_missing_batches: {
    kind: 'gauge',
    of: 'worker',
    help: 'Batches that a manifest names and the log lacks.',
    labels: ['dataset', 'stream'],
  },
  strongroom_worker_held_batches: {
    kind: 'gauge',
    of: 'worker',
    help: 'Batches that wait for one before them.',
    labels: ['dataset', 'stream'],
  },
  strongroom_worker_lag_records: {
    kind: 'gauge',
    of: 'worker',
    help: 'Records of a partition that were not read yet.',
    labels: ['dataset', 'partition'],
  },
  strongroom_worker_watermark_timestamp_seconds: {
    kind: 'gauge',
    of: 'worker',
    help: 'Event time up to which a stream is complete.',
    labels: ['dataset', 'stream'],
  },
  strongroom_worker_event_time_lag_seconds: {
    kind: 'gauge',
    of: 'worker',
    help: 'How far the watermark is behind that of the stream that is furthest.',
    labels: ['dataset', 'stream'],
  },
  strongroom_worker_input_stalled: {
    kind: 'gauge',
    of: 'worker',
    help: '1 when batches have been missing for 30 s: an alarm for the owner and the log.',
    labels: ['dataset', 'stream'],
  },
  strongroom_worker_query_waiting: {
    kind: 'gauge',
    of: 'worker',
    help: '1 for what keeps the next window of a query open.',
    labels: ['query', 'dataset', 'stream', 'what'],
  },
  strongroom_worker_step_seconds: {
    kind: 'histogram',
    of: 'worker',
    help: 'How long a step takes on its way out, by part.',
    labels: ['part'],
  },
  strongroom_worker_last_step_timestamp_seconds: {
    kind: 'gauge',
    of: 'worker',
    help: 'When results or a checkpoint left last.',
  },
  strongroom_worker_vault_peak_memory_bytes: {
    kind: 'gauge',
    of: 'worker',
    help: 'Peak resident memory of the vault.',
  },
  strongroom_key_release_requests_total: {
    kind: 'counter',
    of: 'key-release',
    help: 'Requests for a key, by outcome.',
    labels: ['outcome'],
  },
  strongroom_attestation_requests_total: {
    kind: 'counter',
    of: 'attestation',
    help: 'Evidence judged, by outcome.',
    labels: ['outcome'],
  },
  strongroom_analyst_pages: {
    kind: 'gauge',
    of: 'analyst',
    help: 'Pages that are open now.',
  },
} as const satisfies Readonly<Record<`strongroom_${string}`, Metric>>;

type MetricName = keyof typeof METRICS;

/** The names of one kind. */
export type NameOf<Kind extends Metric['kind']> = {
  [Name in MetricName]: (typeof METRICS)[Name]['kind'] extends Kind ? Name : never;
}[MetricName];

/** The labels of one metric. */
export type LabelOf<Name extends MetricName> = (typeof METRICS)[Name] extends {
  readonly labels: readonly (infer Label)[];
}
  ? Label & string
  : never;

/** The same for whoever asks for any: what a metric without labels lacks is empty here. */
export function describeMetric(name: MetricName): Required<Omit<Metric, 'of'>> & { of: string } {
  const { of = 'every service', labels = [], ...rest }: Metric = METRICS[name];
  return { ...rest, of, labels };
}

export function metricNames(): readonly MetricName[] {
  return Object.keys(METRICS).filter(isMetricName);
}

function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name);
}
