import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { say } from '../deployment/terminal.ts';
import { benchAttestation } from './attestation.ts';
import { benchGrowth } from './growth.ts';
import { benchKeyRelease } from './key-release.ts';
import { benchLatency } from './latency.ts';
import { isMet, type Measured } from './measured.ts';
import { benchPipeline } from './pipeline.ts';
import { benchScan, SCAN_PARTS } from './scan.ts';
import { benchSealing } from './sealing.ts';
import { benchSlices } from './slices.ts';
import { benchStart } from './start.ts';
import { benchWindowState } from './window-state.ts';
import { benchWindows } from './windows.ts';
import { benchWire } from './wire.ts';

/** Two things in one run and their ratio, one line each. */

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    svg: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run bench -- [--rows N] [--only NAMES] [--json]

  --only NAMES  some of these, with commas between them:
              attestation, sealing, key-release, start (of the worker, to its first key),
              windows, state, wire, pipeline, latency, growth, slices,
              and worker and vault against scan (their plaintext twin), streams (Kafka Streams,
              JSON and Avro), envelope (RSA and AES for each row), consumer (Kafka's own speed
              test), machine (AES, memcpy)
  --rows N    of the 3,000,000 flights in the pipeline; of the 1,000,000 orders and flights on
              the wire; of the 10,000,000 orders in the scan; of growth the most, 10,000,000,
              up to 100,000,000
  --svg FILE  of growth: where its curves are drawn
  --json      one JSON line a comparison: {name, ours, baseline, ratio, unit, goal, met}
`);
} else {
  await bench(new Set(values.only?.split(',')), values.rows ? Number(values.rows) : undefined);
}

async function bench(only: ReadonlySet<string>, rows: number | undefined): Promise<void> {
  const wanted = (name: string) => only.size === 0 || only.has(name);
  sayLoad();
  if (wanted('attestation')) show(await benchAttestation());
  if (wanted('sealing')) show(await benchSealing());
  if (wanted('key-release')) show(await benchKeyRelease());
  if (wanted('start')) show(await benchStart());
  if (wanted('windows')) show(await benchWindows());
  if (wanted('state')) show(benchWindowState());
  if (wanted('wire')) show(await benchWire(rows));
  const parts = new Set(SCAN_PARTS.filter(wanted));
  if (parts.size > 0) show(await benchScan(parts, rows));
  if (wanted('growth')) show(await benchGrowth(rows, values.svg));
  if (wanted('slices')) show(await benchSlices(rows));
  if (wanted('latency')) show(await benchLatency());
  if (wanted('pipeline')) show(await benchPipeline(rows));
  sayLoad();
}

/** What else the machine did: with more than its processors, absolute figures say nothing. */
function sayLoad(): void {
  say(`load average ${(loadavg()[0] ?? 0).toFixed(1)}`);
}

function show(results: readonly Measured[]): void {
  for (const result of results) {
    const met = isMet(result);
    if (values.json) process.stdout.write(`${JSON.stringify({ ...result, met })}\n`);
    else say(`${asText(result)}${met === undefined ? '' : met ? ', met' : ', not met'}`);
  }
}

function asText({ name, ours, baseline, ratio, unit, goal }: Measured): string {
  const aim = goal === undefined ? '' : `, goal ${goal}`;
  return `${name}: ${ours} ${unit}, baseline ${baseline} ${unit}, ratio ${ratio}${aim}`;
}
