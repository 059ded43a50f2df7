import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { StrongroomError } from '@strongroom/protocol/errors';
import { Sha384HexSchema } from '@strongroom/protocol/fields';
import { readBinaryFile, writeFileAtomic } from '@strongroom/runtime/files';
import type { Command } from 'commander';
import { z } from 'zod';
import { measurePolicy } from './container-policy.ts';
import { type LaunchOptions, measureLaunch } from './launch/measure-launch.ts';
import { leafCommand, printNotice, printResult } from './leaf-command.ts';
import { programOf } from './start-service.ts';
import { treeHash } from './tree-hash.ts';

/** `strongroom measure`: what a contract has to name so that a build may have the keys. */
export function addMeasureCommand(program: Command): void {
  leafCommand(
    program,
    'measure',
    'print the reference values of this build, of an image, of a container policy, or of a guest',
    'strongroom measure --json > measurement.json\n' +
      '  strongroom measure --firmware OVMF.fd --kernel vmlinuz --initrd initrd.img \\\n' +
      '    --cmdline console=ttyS0 --vcpus 4 --vcpu EPYC-Milan --json > measurement.json',
  )
    .option('--name <name>', 'what the contract calls it', 'this build')
    .option('--image <folder>', 'of an unpacked image: the hash of its content')
    .option('--policy <file>', 'of a container policy (Rego or its base64): what hostData names')
    .option('--firmware <file>', 'of a guest with SEV-SNP under QEMU and KVM: its MEASUREMENT')
    .option('--kernel <file>', 'that the firmware boots, with kernel-hashes=on')
    .option('--initrd <file>', 'beside the kernel')
    .option('--cmdline <text>', "the kernel's command line")
    .option('--vcpus <number>', 'how many processors the guest has')
    .option('--vcpu <model>', 'such as EPYC-Milan, or FAMILY-MODEL-STEPPING')
    .option('--guest-features <hex>', "the processors' SEV_FEATURES", '0x1')
    .option('--out <file>', 'also write the JSON to a file')
    .action(measure);
}

interface MeasureOptions extends Omit<LaunchOptions, 'firmware'> {
  readonly name: string;
  readonly image?: string;
  readonly policy?: string;
  readonly firmware?: string;
  readonly out?: string;
  readonly json?: boolean;
}

interface Measured {
  readonly value: object;
  readonly text: string;
}

async function measure(options: MeasureOptions): Promise<void> {
  const asked = [options.image, options.policy, options.firmware].filter(Boolean);
  if (asked.length > 1) {
    const problem = '--image, --policy and --firmware are different questions';
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const { value, text } = await measureOne(options);
  if (options.out !== undefined) {
    await writeFileAtomic(options.out, `${JSON.stringify(value)}\n`);
  }
  printResult(options.json, value, text);
}

async function measureOne(options: MeasureOptions): Promise<Measured> {
  const { name, image, policy, firmware } = options;
  if (image !== undefined) {
    const value = { name, ...treeHash(image) };
    return { value, text: `${value.tree}  ${name} (${value.files} files, ${value.bytes} bytes)` };
  }
  if (policy !== undefined) {
    const value = { name, ...measurePolicy(await readBinaryFile(policy)) };
    for (const finding of value.findings) printNotice(`do not sign this: ${finding}`);
    return { value, text: `${value.hostData}  ${name}` };
  }
  if (firmware !== undefined && options.kernel === undefined) printNotice(BOOTS_ANYTHING);
  const sha384 =
    firmware === undefined ? await measureWorker() : await measureLaunch({ ...options, firmware });
  const value = { name, sha384 };
  return { value, text: `${value.sha384}  ${name}` };
}

const BOOTS_ANYTHING =
  'no kernel is measured: whoever runs the machine boots what it likes behind this measurement';

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
