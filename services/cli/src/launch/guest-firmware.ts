import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * Firmware of a guest (OVMF), as far as a launch depends on it: tables at its end say which pages
 * the hypervisor adds beside the image, and where processors other than the first begin. The layout
 * is that of EDK II's OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm and X64/OvmfSevMetadata.asm.
 */
export interface GuestFirmware {
  readonly image: Uint8Array;
  /** In the order in which they are added. */
  readonly sections: readonly FirmwareSection[];
  /** Where processors other than the first begin; absent where the image does not say so. */
  readonly resetAddress?: number;
  /** Where hashes of kernel, initrd and command line are looked for. */
  readonly hashesAddress?: number;
}

export interface FirmwareSection {
  readonly kind: SectionKind;
  readonly address: number;
  readonly size: number;
}

type SectionKind = 'zero' | 'secrets' | 'cpuid' | 'kernel-hashes';

/** OVMF_SECTION_TYPE_*; memory of an SVSM's calling area is zero as well. */
const SECTION_KINDS = new Map<number, SectionKind>([
  [1, 'zero'],
  [2, 'secrets'],
  [3, 'cpuid'],
  [4, 'zero'],
  [0x10, 'kernel-hashes'],
]);

export const PAGE_BYTES = 4096;
/** Far above any: 16 MiB of firmware, and a table of sections that fits into a page. */
const FIRMWARE_BYTES_MAX = 16 * 1024 * 1024;
const SECTIONS_MAX = 128;
/** A section is some pages; what claims more is no table of ours. */
const SECTION_BYTES_MAX = 64 * 1024 * 1024;

const FOOTER = guidBytes('96b582de-1fb2-45f7-baea-a366c55a082d');
const RESET_BLOCK = guidBytes('00f771de-1a7e-4fcb-890e-68c77e2fb44e').toString('hex');
const HASH_TABLE = guidBytes('7255371f-3a3b-4b04-927b-1da6efa8d454').toString('hex');
const SEV_METADATA = guidBytes('dc886566-984a-4798-a75e-5585a7bf67cc').toString('hex');

/** @throws ERR_CONFIG_INVALID for what is no firmware for SEV-SNP */
export function readFirmware(image: Uint8Array): GuestFirmware {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  if (bytes.length === 0 || bytes.length % PAGE_BYTES !== 0 || bytes.length > FIRMWARE_BYTES_MAX) {
    throw notFirmware('an image of whole pages, at most 16 MiB, is expected');
  }
  try {
    const table = readTable(bytes);
    const resetAddress = table.get(RESET_BLOCK)?.readUInt32LE();
    const hashesAddress = table.get(HASH_TABLE)?.readUInt32LE();
    return {
      image,
      sections: readSections(bytes, table.get(SEV_METADATA)),
      ...(resetAddress === undefined ? {} : { resetAddress }),
      ...(hashesAddress === undefined ? {} : { hashesAddress }),
    };
  } catch (error) {
    if (error instanceof RangeError) throw notFirmware('its tables point outside of it');
    throw error;
  }
}

/** GUIDs are stored with their first three parts in little-endian order (RFC 9562, section 4). */
export function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

const GUID_BYTES = 16;
/** Length of the entry, then its GUID: an entry is read from its end. */
const ENTRY_END_BYTES = 2 + GUID_BYTES;
/** Below the reset vector. */
const TABLE_END_FROM_END = 32;

/** Entries by GUID, upwards from the footer, whose length is that of the whole table. */
function readTable(bytes: Buffer): ReadonlyMap<string, Buffer> {
  const end = bytes.length - TABLE_END_FROM_END;
  if (!bytes.subarray(end - GUID_BYTES, end).equals(FOOTER)) {
    throw notFirmware('it has no table of GUIDs at its end');
  }
  const start = end - bytes.readUInt16LE(end - ENTRY_END_BYTES);
  if (start < 0) throw notFirmware('its table is broken');
  const entries = new Map<string, Buffer>();
  for (let at = end - ENTRY_END_BYTES; at - ENTRY_END_BYTES >= start; ) {
    const length = bytes.readUInt16LE(at - ENTRY_END_BYTES);
    if (length < ENTRY_END_BYTES || at - length < start) throw notFirmware('its table is broken');
    const guid = bytes.subarray(at - GUID_BYTES, at).toString('hex');
    entries.set(guid, bytes.subarray(at - length, at - ENTRY_END_BYTES));
    at -= length;
  }
  return entries;
}

const HEADER_BYTES = 16;
const SECTION_BYTES = 12;

function readSections(bytes: Buffer, pointer: Buffer | undefined): FirmwareSection[] {
  if (pointer === undefined) throw notFirmware('it has no metadata for SEV-SNP');
  const header = bytes.length - pointer.readUInt32LE();
  const [version, count] = [bytes.readUInt32LE(header + 8), bytes.readUInt32LE(header + 12)];
  if (bytes.toString('latin1', header, header + 4) !== 'ASEV' || version !== 1) {
    throw notFirmware('its metadata for SEV-SNP are of another form');
  }
  if (count > SECTIONS_MAX) throw notFirmware('its metadata name too many sections');
  return Array.from({ length: count }, (_, index) => {
    const at = header + HEADER_BYTES + index * SECTION_BYTES;
    const [address, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    const kind = SECTION_KINDS.get(bytes.readUInt32LE(at + 8));
    if (kind === undefined) throw notFirmware('it wants a section of an unknown kind');
    if (address % PAGE_BYTES !== 0 || size % PAGE_BYTES !== 0 || size > SECTION_BYTES_MAX) {
      throw notFirmware('it wants a section that is not of whole pages, or too large');
    }
    return { kind, address, size };
  });
}

function notFirmware(why: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { problem: `no firmware for SEV-SNP: ${why}` });
}
