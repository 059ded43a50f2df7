import { writeFile } from 'node:fs/promises';
import { codeOf } from '@strongroom/protocol/errors';
import { say } from '../deployment/terminal.ts';
import { BenchVault } from './bench-vault.ts';
import { type Growth, type GrowthCase, growths } from './growth-cases.ts';
import { type Curve, chartOf, type Point } from './growth-chart.ts';
import type { Measured } from './measured.ts';

/**
 * What a vault takes as its work grows, in processor time and memory of its process: one thing
 * grows at a time. Time should grow with the work and no faster, and memory with what is open.
 */

const ROWS = 10_000_000;
/** What its engine may take. */
const MEMORY_MB = 768;
/** The aim: so much of the time a unit takes at the smaller size. */
const LINEAR = 0.9;
const VAULT_MB_MAX = 1_024;

/** @param svg where the curves are drawn, if anywhere */
export async function benchGrowth(rows = ROWS, svg?: string): Promise<Measured[]> {
  const curves: Curve[] = [];
  for (const growth of growths(rows)) curves.push(await grow(growth));
  for (const curve of curves) process.stdout.write(`${tableOf(curve)}\n`);
  if (svg !== undefined) await writeFile(svg, chartOf(curves));
  const [inWindows] = curves;
  return inWindows ? [...isLinear(inWindows), ...isFlat(inWindows)] : [];
}

async function grow({ name, unit, sizes, at }: Growth): Promise<Curve> {
  const points: Point[] = [];
  for (const size of sizes) {
    const point = await measure(await at(size));
    points.push(point);
    say(`${name}, ${size}: ${lineOf(point, unit)}`);
  }
  return { name, unit, points };
}

/** From the first record to the last result; a refusal is what it is, and no time. */
async function measure({ size, units, computation, inputs }: GrowthCase): Promise<Point> {
  const vault = await BenchVault.open(computation, MEMORY_MB);
  try {
    const before = vault.processorSeconds;
    for (const [dataset, records] of inputs) await vault.read(dataset, records());
    const seconds = vault.processorSeconds - before;
    const peakMb = vault.peakMb;
    const { withheld } = (await vault.openResult()).content;
    return withheld
      ? { size, refusal: `withheld, ${withheld}` }
      : { size, seconds, microseconds: (seconds * 1e6) / units, peakMb };
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    return { size, refusal: code };
  } finally {
    await vault.close();
  }
}

function isLinear({ name, points }: Curve): Measured[] {
  const [first, ...more] = points.flatMap(({ microseconds }) => microseconds ?? []);
  return more.map((each) => ({
    name: `${name}: processor time of a row, of fewer rows against more`,
    ours: Number(each.toFixed(3)),
    baseline: Number((first ?? 0).toFixed(3)),
    ratio: Number(((first ?? 0) / each).toFixed(2)),
    unit: 'us',
    goal: LINEAR,
  }));
}

function isFlat({ name, points }: Curve): Measured[] {
  const largest = points.at(-1)?.peakMb;
  if (largest === undefined) return [];
  const ratio = Number((VAULT_MB_MAX / largest).toFixed(2));
  const memory = { ours: largest, baseline: VAULT_MB_MAX, ratio, unit: 'MiB', goal: 1 };
  return [{ name: `${name}: the vault's memory against its limit`, ...memory }];
}

function lineOf({ seconds, microseconds, peakMb, refusal }: Point, unit: string): string {
  if (refusal !== undefined) return refusal;
  return `${seconds?.toFixed(2)} s, ${microseconds?.toFixed(3)} us a ${unit}, ${peakMb} MiB`;
}

/** Markdown. */
function tableOf({ name, unit, points }: Curve): string {
  const rows = points.map(({ size, seconds, microseconds, peakMb, refusal }) => {
    const figures = refusal
      ? [refusal, '', '']
      : [seconds?.toFixed(2), microseconds?.toFixed(3), peakMb];
    return `| ${[size.toLocaleString('en'), ...figures].join(' | ')} |`;
  });
  const head = `| ${name} | processor s | us a ${unit} | peak MiB |`;
  return [head, '| --: | --: | --: | --: |', ...rows, ''].join('\n');
}
