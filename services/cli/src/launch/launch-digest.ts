import { createHash } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type FirmwareSection,
  type GuestFirmware,
  guidBytes,
  PAGE_BYTES,
  readFirmware,
} from './guest-firmware.ts';
import { processorState, RESET_VECTOR } from './processor-state.ts';

/** How a guest is started by QEMU and KVM, as far as it is measured. */
export interface Launch {
  readonly firmware: Uint8Array;
  /** Of a direct boot; absent where the firmware boots from a disk, which is not measured. */
  readonly boot?: DirectBoot;
  readonly processors: number;
  /** Of the processor that the guest sees: EAX of CPUID function 1. */
  readonly signature: number;
  /** SEV_FEATURES of each processor. */
  readonly features: bigint;
}

export interface DirectBoot {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly commandLine: string;
}

/**
 * MEASUREMENT of the reports of a guest that is started like this: SHA-384 over a chain of all
 * pages that the processor is given before the guest runs (SEV-SNP Firmware ABI 56860, 8.17.2).
 * @throws ERR_CONFIG_INVALID
 */
export function launchDigest({ boot, ...launch }: Launch): string {
  const firmware = readFirmware(launch.firmware);
  const chain = new PageChain();
  chain.addContent(FOUR_GIB - firmware.image.length, firmware.image);
  const hashes = hashesPage(firmware, boot);
  for (const section of firmware.sections) addSection(chain, section, hashes);
  for (let processor = 0; processor < launch.processors; processor += 1) {
    const address = processor === 0 ? RESET_VECTOR : resetAddressOf(firmware);
    chain.addProcessor(processorState(address, launch.signature, launch.features));
  }
  return chain.digest;
}

/** Firmware ends here. */
const FOUR_GIB = 0x1_0000_0000;

function addSection(
  chain: PageChain,
  { kind, address, size }: FirmwareSection,
  hashes: Uint8Array | undefined,
): void {
  if (kind === 'kernel-hashes' && hashes) chain.addContent(address, hashes);
  else if (kind === 'secrets') chain.addUnread('secrets', address);
  else if (kind === 'cpuid') chain.addUnread('cpuid', address);
  else for (let at = 0; at < size; at += PAGE_BYTES) chain.addUnread('zero', address + at);
}

function resetAddressOf({ resetAddress }: GuestFirmware): number {
  if (resetAddress) return resetAddress;
  throw invalid('the firmware does not say where a second processor begins');
}

const EMPTY = Buffer.alloc(48);
const VMSA_ADDRESS = 0xffff_ffff_f000n;

/** PAGE_INFO's PAGE_TYPE. */
const PAGE_TYPES = { normal: 1, vmsa: 2, zero: 3, secrets: 5, cpuid: 6 } as const;
type PageType = keyof typeof PAGE_TYPES;

/** PAGE_INFO of each page holds the digest up to it, and its hash is the next one (table 67). */
class PageChain {
  #digest: Uint8Array = EMPTY;

  get digest(): string {
    return Buffer.from(this.#digest).toString('hex');
  }

  addContent(address: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      this.#add('normal', BigInt(address + at), sha384(bytes.subarray(at, at + PAGE_BYTES)));
    }
  }

  /** A page whose content is not measured, since the processor's firmware makes it. */
  addUnread(type: 'zero' | 'secrets' | 'cpuid', address: number): void {
    this.#add(type, BigInt(address), EMPTY);
  }

  addProcessor(state: Uint8Array): void {
    this.#add('vmsa', VMSA_ADDRESS, sha384(state));
  }

  #add(type: PageType, address: bigint, contents: Uint8Array): void {
    const info = Buffer.alloc(0x70);
    info.set(this.#digest, 0);
    info.set(contents, 0x30);
    info.writeUInt16LE(info.length, 0x60);
    info.writeUInt8(PAGE_TYPES[type], 0x62);
    info.writeBigUInt64LE(address, 0x68);
    this.#digest = sha384(info);
  }
}

function sha384(bytes: Uint8Array): Uint8Array {
  return createHash('sha384').update(bytes).digest();
}

const HASHES = guidBytes('9438d606-4f22-4cc9-b479-a793d411fd21');
const COMMAND_LINE = guidBytes('97d02dd8-bd20-4c94-aa78-e7714d36ab2a');
const INITRD = guidBytes('44baf731-3a2f-4bd7-9af1-41e29169781d');
const KERNEL = guidBytes('4de79437-abd2-427f-b835-d5b172d2045b');

/** What QEMU writes with kernel-hashes=on, and the firmware compares with what it boots. */
function hashesPage(firmware: GuestFirmware, boot: DirectBoot | undefined): Uint8Array | undefined {
  if (boot === undefined) return undefined;
  const section = firmware.sections.find(({ kind }) => kind === 'kernel-hashes');
  if (!firmware.hashesAddress || section?.size !== PAGE_BYTES) {
    throw invalid('this firmware measures no kernel: it is not built for a direct boot');
  }
  const table = entry(
    HASHES,
    Buffer.concat([
      // A command line ends with a zero.
      entry(COMMAND_LINE, sha256(Buffer.from(`${boot.commandLine}\0`))),
      entry(INITRD, sha256(boot.initrd)),
      entry(KERNEL, sha256(boot.kernel)),
    ]),
  );
  const page = Buffer.alloc(PAGE_BYTES);
  const offset = firmware.hashesAddress % PAGE_BYTES;
  if (offset + table.length > PAGE_BYTES) throw invalid('this firmware has no room for hashes');
  page.set(table, offset);
  return page;
}

/** GUID, length of all of it, content. */
function entry(guid: Uint8Array, content: Uint8Array): Uint8Array {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(guid.length + length.length + content.length);
  return Buffer.concat([guid, length, content]);
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

function invalid(problem: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { problem });
}
