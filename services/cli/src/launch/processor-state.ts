import { PAGE_BYTES } from './guest-firmware.ts';

/**
 * The page with a processor's first registers (VMSA), which is measured too: offsets of AMD's
 * manual 24593 (volume 2), table B-4; values as KVM and QEMU set them at reset.
 */
export function processorState(address: number, signature: number, features: bigint): Uint8Array {
  const page = Buffer.alloc(PAGE_BYTES);
  for (const [offset, segment] of segmentsAt(address)) putSegment(page, offset, segment);
  for (const [offset, value] of registersAt(address)) page.writeBigUInt64LE(value, offset);
  // RDX holds the processor's signature after a reset (volume 2, table 14-1).
  page.writeBigUInt64LE(BigInt(signature), 0x310);
  page.writeBigUInt64LE(features, 0x3b0);
  page.writeUInt32LE(0x1f80, 0x408); // MXCSR
  page.writeUInt16LE(0x37f, 0x410); // the control word of the x87
  return page;
}

/** Where the first processor begins: the reset vector. */
export const RESET_VECTOR = 0xffff_fff0;

interface Segment {
  readonly selector?: number;
  readonly attributes: number;
  readonly base?: number;
}

const SEGMENT_LIMIT = 0xffff;
const DATA: Segment = { attributes: 0x93 };
const TABLE: Segment = { attributes: 0 };

/** A processor begins where its code segment and its instruction pointer point together. */
function segmentsAt(address: number): readonly (readonly [offset: number, Segment])[] {
  const code = { selector: 0xf000, attributes: 0x9b, base: address - (address % 0x1_0000) };
  return [
    [0x00, DATA], // ES
    [0x10, code],
    [0x20, DATA], // SS
    [0x30, DATA], // DS
    [0x40, DATA], // FS
    [0x50, DATA], // GS
    [0x60, TABLE], // GDTR
    [0x70, { attributes: 0x82 }], // LDTR
    [0x80, TABLE], // IDTR
    [0x90, { attributes: 0x8b }], // TR
  ];
}

function registersAt(address: number): readonly (readonly [offset: number, value: bigint])[] {
  return [
    [0xd0, 0x1000n], // EFER: SVME, which KVM sets
    [0x148, 0x40n], // CR4: MCE, which KVM sets
    [0x158, 0x10n], // CR0
    [0x160, 0x400n], // DR7
    [0x168, 0xffff_0ff0n], // DR6
    [0x170, 0x2n], // RFLAGS
    [0x178, BigInt(address % 0x1_0000)], // RIP
    [0x268, 0x0007_0406_0007_0406n], // PAT
    [0x3e8, 0x1n], // XCR0
  ];
}

function putSegment(page: Buffer, offset: number, { selector = 0, attributes, base = 0 }: Segment) {
  page.writeUInt16LE(selector, offset);
  page.writeUInt16LE(attributes, offset + 2);
  page.writeUInt32LE(SEGMENT_LIMIT, offset + 4);
  page.writeBigUInt64LE(BigInt(base), offset + 8);
}
