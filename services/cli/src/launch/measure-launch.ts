import { StrongroomError } from '@strongroom/protocol/errors';
import { readBinaryFile } from '@strongroom/runtime/files';
import { type DirectBoot, launchDigest } from './launch-digest.ts';

/** As QEMU's own options name them, where they have one. */
export interface LaunchOptions {
  readonly firmware: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly cmdline?: string;
  readonly vcpus?: string;
  readonly vcpu?: string;
  readonly guestFeatures: string;
}

/** @throws ERR_USAGE for what was left out: a guess would be the digest of another machine */
export async function measureLaunch(options: LaunchOptions): Promise<string> {
  const { firmware, vcpus = '', vcpu = '', guestFeatures } = options;
  const processors = /^[1-9]\d{0,3}$/.test(vcpus) ? Number(vcpus) : 0;
  if (processors === 0 || processors > PROCESSORS_MAX) {
    throw misused(`--vcpus: how many the guest has, 1 to ${PROCESSORS_MAX}`);
  }
  if (!/^0x[0-9a-f]{1,16}$/i.test(guestFeatures)) throw misused('--guest-features: 0x and hex');
  const boot = await readBoot(options);
  return launchDigest({
    firmware: await readBinaryFile(firmware),
    ...(boot === undefined ? {} : { boot }),
    processors,
    signature: signatureOf(vcpu),
    features: BigInt(guestFeatures),
  });
}

/** What QEMU allows on its q35 machine. */
const PROCESSORS_MAX = 4096;

async function readBoot({
  kernel,
  initrd,
  cmdline,
}: LaunchOptions): Promise<DirectBoot | undefined> {
  if (kernel === undefined) {
    if (initrd === undefined && cmdline === undefined) return undefined;
    throw misused('--initrd and --cmdline are of a --kernel');
  }
  return {
    kernel: await readBinaryFile(kernel),
    initrd: initrd === undefined ? new Uint8Array() : await readBinaryFile(initrd),
    commandLine: cmdline ?? '',
  };
}

/** Family, model and stepping of QEMU's models; a version behind the name (-v4) changes none. */
const MODELS: Readonly<Record<string, string>> = {
  EPYC: '23-1-2',
  'EPYC-Rome': '23-49-0',
  'EPYC-Milan': '25-1-1',
  'EPYC-Genoa': '25-17-0',
  'EPYC-Turin': '26-0-0',
};

/** EAX of CPUID function 1 (AMD's manual 24594, volume 3, appendix E.3.2). */
function signatureOf(vcpu: string): number {
  const numbers = MODELS[vcpu.replace(/-v\d+$/, '')] ?? vcpu;
  const found = /^(\d{1,3})-(\d{1,3})-(\d{1,2})$/.exec(numbers);
  const [family = 0, model = 0, stepping = 0] = found?.slice(1).map(Number) ?? [];
  const isInRange = family >= 15 && family <= 270 && model <= 255 && stepping <= 15;
  if (!isInRange) {
    const models = Object.keys(MODELS).join(', ');
    throw misused(`--vcpu: the guest's processor: ${models}, or FAMILY-MODEL-STEPPING`);
  }
  const [high, low] = [model >> 4, model & 0xf];
  return ((family - 15) << 20) | (high << 16) | (15 << 8) | (low << 4) | stepping;
}

function misused(problem: string): StrongroomError {
  return new StrongroomError('ERR_USAGE', { problem });
}
