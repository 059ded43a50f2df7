import { execFile } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import {
  createSimulatedPlatform,
  SIMULATED_WARNING,
  simulatedRoots,
} from '@strongroom/attestation/insecure';
import { StrongroomError } from '@strongroom/protocol/errors';
import { Sha384HexSchema } from '@strongroom/protocol/fields';
import { readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import type { Command } from 'commander';
import { z } from 'zod';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';
import { programOf } from './start-service.ts';

/** `strongroom platform …`: a platform without hardware, for a machine that has none. */
export function addPlatformCommands(program: Command): void {
  const platform = nounCommand(program, 'platform', 'the simulated platform (NOT HARDWARE)');
  leafCommand(
    platform,
    'new',
    'make the roots of a simulated platform; it proves nothing about any machine',
    'strongroom platform new --dir .strongroom/platform',
  )
    .requiredOption('--dir <folder>', 'where it is kept')
    .action(newPlatform);
  leafCommand(
    platform,
    'roots',
    'print the public roots that an attestation service is given',
    'strongroom platform roots --dir .strongroom/platform > roots.json',
  )
    .requiredOption('--dir <folder>', 'folder of the simulated platform')
    .action(printRoots);
}

interface FolderOptions {
  readonly dir: string;
  readonly json?: boolean;
}

async function newPlatform(options: FolderOptions): Promise<void> {
  printNotice(SIMULATED_WARNING);
  await createSimulatedPlatform(options.dir);
  const roots = rootsPath(options.dir);
  printResult(options.json, { folder: options.dir, roots }, `roots: ${roots}`);
}

async function printRoots(options: FolderOptions): Promise<void> {
  printNotice(SIMULATED_WARNING);
  const path = rootsPath(options.dir);
  simulatedRoots(path);
  const roots: unknown = JSON.parse(await readTextFile(path));
  printResult(options.json, roots, JSON.stringify(roots, null, 2));
}

function rootsPath(folder: string): string {
  return join(folder, 'simulated-roots.json');
}

/** What the worker's own program prints. */
const MeasurementSchema = z.looseObject({ measurement: Sha384HexSchema });

/** `strongroom measure`: what a contract has to name so that this build may have the keys. */
export function addMeasureCommand(program: Command): void {
  leafCommand(
    program,
    'measure',
    'print the reference measurement of the worker of this build, for a contract',
    'strongroom measure --json > measurement.json',
  )
    .option('--name <name>', 'what the contract calls it', 'this build')
    .option('--out <file>', 'also write the JSON to a file')
    .action(measure);
}

async function measure(options: { name: string; out?: string; json?: boolean }): Promise<void> {
  const measurement = { name: options.name, sha384: await measureWorker() };
  if (options.out !== undefined) {
    await writeFileAtomic(options.out, `${JSON.stringify(measurement)}\n`);
  }
  printResult(options.json, measurement, `${measurement.sha384}  ${measurement.name}`);
}

/** The worker measures itself, in a process of its own: no service loads another one's code. */
async function measureWorker(): Promise<string> {
  const args = programOf('enclave-worker', 'print-measurement.insecure');
  const printed = await promisify(execFile)(process.execPath, args).catch(() => undefined);
  const parsed = MeasurementSchema.safeParse(JSON.parse(printed?.stdout ?? 'null'));
  if (!parsed.success) {
    throw new StrongroomError('ERR_CONFIG_INVALID', { problem: 'the worker gave no measurement' });
  }
  return parsed.data.measurement;
}
