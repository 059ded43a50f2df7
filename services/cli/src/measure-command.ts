import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { StrongroomError } from '@strongroom/protocol/errors';
import { Sha384HexSchema } from '@strongroom/protocol/fields';
import { readBinaryFile, writeFileAtomic } from '@strongroom/runtime/files';
import type { Command } from 'commander';
import { z } from 'zod';
import { measurePolicy } from './container-policy.ts';
import { leafCommand, printNotice, printResult } from './leaf-command.ts';
import { programOf } from './start-service.ts';
import { treeHash } from './tree-hash.ts';

/** `strongroom measure`: what a contract has to name so that a build may have the keys. */
export function addMeasureCommand(program: Command): void {
  leafCommand(
    program,
    'measure',
    'print the reference values of this build, of an image, or of a container policy',
    'strongroom measure --json > measurement.json',
  )
    .option('--name <name>', 'what the contract calls it', 'this build')
    .option('--image <folder>', 'of an unpacked image: the hash of its content')
    .option('--policy <file>', 'of a container policy (Rego or its base64): what hostData names')
    .option('--out <file>', 'also write the JSON to a file')
    .action(measure);
}

interface MeasureOptions {
  readonly name: string;
  readonly image?: string;
  readonly policy?: string;
  readonly out?: string;
  readonly json?: boolean;
}

interface Measured {
  readonly value: object;
  readonly text: string;
}

async function measure(options: MeasureOptions): Promise<void> {
  if (options.image !== undefined && options.policy !== undefined) {
    throw new StrongroomError('ERR_USAGE', { problem: '--image and --policy are two questions' });
  }
  const { value, text } = await measureOne(options);
  if (options.out !== undefined) {
    await writeFileAtomic(options.out, `${JSON.stringify(value)}\n`);
  }
  printResult(options.json, value, text);
}

async function measureOne({ name, image, policy }: MeasureOptions): Promise<Measured> {
  if (image !== undefined) {
    const value = { name, ...treeHash(image) };
    return { value, text: `${value.tree}  ${name} (${value.files} files, ${value.bytes} bytes)` };
  }
  if (policy !== undefined) {
    const value = { name, ...measurePolicy(await readBinaryFile(policy)) };
    for (const finding of value.findings) printNotice(`do not sign this: ${finding}`);
    return { value, text: `${value.hostData}  ${name}` };
  }
  const value = { name, sha384: await measureWorker() };
  return { value, text: `${value.sha384}  ${name}` };
}

/** What the worker's own program prints. */
const MeasurementSchema = z.looseObject({ measurement: Sha384HexSchema });

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
