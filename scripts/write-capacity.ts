/**
 * The tables of docs/capacity.md, worked out from what docs/performance.md measured:
 *
 *   node --conditions=strongroom:source scripts/write-capacity.ts [--write]
 *
 * Whoever measures anew changes MEASURED, and runs it with --write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SLICES_MAX } from '@strongroom/protocol/limits';

const PAGE = join(import.meta.dirname, '../docs/capacity.md');
const [BEGIN, END] = ['<!-- scripts/write-capacity.ts: begin -->', '<!-- end -->'];

/** docs/performance.md says under which conditions. */
const MEASURED = {
  /** "Bytes on the wire": orders, sealed, 8,192 rows a batch. */
  bytesARow: 41.0,
  /** The same, zstd 1. */
  compressedBytesARow: 10.9,
  /** "Bytes on the wire": sealing at its producer, no compression, and zstd 1. */
  sealUsARow: 0.195,
  compressUsARow: 0.237,
  /**
   * "Memory that is used again": one worker, two cores, the broker and 24 windows on them too, 10
   * million rows; and what a row takes in one worker and in a slice ("Several workers").
   */
  rowsASecond: Math.round((2_950_000 * 0.36) / 0.48),
  /** "Worker and vault beside others": Kafka's consumer speed test, one broker to one reader. */
  brokerMBASecond: 588,
  /** "From the log into the vault": closing a window of 4,000 groups, of which there were 24. */
  closeUsAGroup: 1_000_000 / (24 * 4_000),
  /** `test/simulation/slice-cluster.test.ts`, STRONGROOM_LONG=1: what each slice says of a group. */
  mergeUsAGroup: 8.64,
} as const;

/** Not measured: what a cluster is usually given. */
const ASSUMED = {
  /** The busiest hour beside the mean of a day. */
  peak: 2,
  /** What cores, disks and links may be used to at the peak. */
  use: 0.6,
  replicas: 3,
  linkMBASecond: 1_250,
  diskMBASecond: 500,
  keepDays: 2,
  coresOfASlice: 2,
  groups: 4_000,
} as const;

const DAY_SECONDS = 86_400;
const MB = 1e6;
const TB = 1e12;

interface Cluster {
  readonly what: string;
  readonly value: (terabytes: number) => string;
}

const meanRows = (terabytes: number) => (terabytes * TB) / MEASURED.bytesARow / DAY_SECONDS;
const peakRows = (terabytes: number) => meanRows(terabytes) * ASSUMED.peak;
const peakMB = (terabytes: number) => (peakRows(terabytes) * MEASURED.bytesARow) / MB;
const slicesOf = (terabytes: number) =>
  Math.max(1, Math.ceil(peakRows(terabytes) / (MEASURED.rowsASecond * ASSUMED.use)));
const brokersOf = (terabytes: number) =>
  Math.max(
    ASSUMED.replicas,
    Math.ceil((peakMB(terabytes) * ASSUMED.replicas) / (ASSUMED.diskMBASecond * ASSUMED.use)),
    Math.ceil(peakMB(terabytes) / (MEASURED.brokerMBASecond * ASSUMED.use)),
    // In: from producers and leaders. Out: to followers and workers.
    Math.ceil((peakMB(terabytes) * ASSUMED.replicas) / (ASSUMED.linkMBASecond * ASSUMED.use)),
  );
const contractsOf = (terabytes: number) => Math.ceil(slicesOf(terabytes) / SLICES_MAX);
/** Seconds of a processor for one window, where all slices meet. */
const mergeSeconds = (terabytes: number) =>
  (ASSUMED.groups * (slicesOf(terabytes) * MEASURED.mergeUsAGroup + MEASURED.closeUsAGroup)) / 1e6;

const ROWS: readonly Cluster[] = [
  { what: 'rows a second, mean', value: (tb) => millions(meanRows(tb)) },
  { what: 'rows a second, peak', value: (tb) => millions(peakRows(tb)) },
  { what: 'MB a second onto the log, peak', value: (tb) => whole(peakMB(tb)) },
  {
    what: 'cores of producers',
    value: (tb) => whole((peakRows(tb) * MEASURED.sealUsARow) / 1e6 / ASSUMED.use),
  },
  { what: '**slices**, with a worker and a vault each', value: (tb) => whole(slicesOf(tb)) },
  {
    what: 'cores of slices, and two for what merges',
    value: (tb) => whole(ASSUMED.coresOfASlice * (slicesOf(tb) + 1)),
  },
  {
    what: `contracts, of ${SLICES_MAX} slices at most`,
    value: (tb) => whole(contractsOf(tb)),
  },
  {
    what: '**partitions** of each dataset: one a slice, more to grow',
    value: (tb) => whole(slicesOf(tb)),
  },
  {
    what: `seconds to merge a window of ${ASSUMED.groups.toLocaleString('en')} groups`,
    value: (tb) => mergeSeconds(tb).toFixed(2),
  },
  { what: `**brokers**, ${ASSUMED.replicas} replicas`, value: (tb) => whole(brokersOf(tb)) },
  {
    what: '**link** of a broker, Gbit/s in, peak',
    value: (tb) => gbits((peakMB(tb) * ASSUMED.replicas) / brokersOf(tb)),
  },
  {
    what: '**link** of a slice, Gbit/s in, peak',
    value: (tb) => gbits(peakMB(tb) / slicesOf(tb)),
  },
  {
    what: `TB on disks, ${ASSUMED.keepDays} days, all replicas`,
    value: (tb) => whole(tb * ASSUMED.keepDays * ASSUMED.replicas),
  },
];

const whole = (value: number) => Math.max(1, Math.ceil(value)).toLocaleString('en');
const millions = (value: number) => `${(value / 1e6).toFixed(2)} million`;
const gbits = (megabytes: number) => ((megabytes * 8) / 1_000).toFixed(2);

const SIZES = [1, 100];

export function capacityTables(): string {
  const head = ['', ...SIZES.map((size) => `${size} TB a day`)];
  const share = MEASURED.compressedBytesARow / MEASURED.bytesARow;
  return [
    tableOf([head, ...ROWS.map(({ what, value }) => [what, ...SIZES.map(value)])]),
    '',
    'From these figures:',
    '',
    tableOf([
      ['measured', ''],
      ...Object.entries(MEASURED).map(([name, value]) => [name, short(value)]),
      ['**assumed**', ''],
      ...Object.entries(ASSUMED).map(([name, value]) => [name, short(value)]),
    ]),
    '',
    `Compressed before sealing the same rows have ${(100 * share).toFixed(0)} % of these bytes: brokers,`,
    'disks and links shrink by as much, slices do not.',
  ].join('\n');
}

function short(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en');
}

function tableOf([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The page with the tables that belong into it. */
export function withTables(page: string): string {
  const [before = '', rest = ''] = page.split(BEGIN);
  const [, after = ''] = rest.split(END);
  return `${before}${BEGIN}\n\n${capacityTables()}\n\n${END}${after}`;
}

if (import.meta.main) {
  if (process.argv.includes('--write')) {
    writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8')));
    process.stdout.write('docs/capacity.md\n');
  } else {
    process.stdout.write(`${capacityTables()}\n`);
  }
}
