import { parseArgs } from 'node:util';
import { say } from '../deployment/terminal.ts';
import { benchAttestation } from './attestation.ts';
import { benchKeyRelease } from './key-release.ts';
import type { Measured } from './measured.ts';
import { benchPipeline } from './pipeline.ts';
import { benchScan } from './scan.ts';
import { benchSealing } from './sealing.ts';
import { benchWindows } from './windows.ts';
import { benchWire } from './wire.ts';

/** Two things in one run and their ratio, one line each. */

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run bench -- [--rows N] [--only NAME] [--json]

  --only NAME  attestation, sealing, key-release, windows, wire, scan or pipeline
  --rows N  of the 3,000,000 flights in the pipeline; of the 10,000,000 orders in the scan;
            of the 1,000,000 orders and flights on the wire
  --json    one JSON line a comparison: {name, ours, baseline, ratio, unit}
`);
} else {
  const rows = values.rows === undefined ? undefined : Number(values.rows);
  const wanted = (name: string) => values.only === undefined || values.only === name;
  if (wanted('attestation')) show(await benchAttestation());
  if (wanted('sealing')) show(await benchSealing());
  if (wanted('key-release')) show(await benchKeyRelease());
  if (wanted('windows')) show(await benchWindows());
  if (wanted('wire')) show(await benchWire(rows));
  if (wanted('scan')) show(await benchScan(rows));
  if (wanted('pipeline')) show(await benchPipeline(rows));
}

function show(results: readonly Measured[]): void {
  for (const result of results) {
    const { name, ours, baseline, ratio, unit } = result;
    if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else say(`${name}: ${ours} ${unit}, baseline ${baseline} ${unit}, ratio ${ratio}`);
  }
}
