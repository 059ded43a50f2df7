import type { PRODUCTS } from '@strongroom/protocol/contract';

export type Product = (typeof PRODUCTS)[number];

/**
 * Security version numbers of the parts below the guest. Compared part by part: as one number the
 * microcode, its top byte, would outweigh everything else.
 */
export interface Tcb {
  /** Turin has a part more. */
  readonly fmc: number | null;
  readonly bootLoader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

/** Which byte of TCB_VERSION holds which part; the other bytes are reserved and zero. */
const POSITIONS = {
  Milan: { fmc: null, bootLoader: 0, tee: 1, snp: 6, microcode: 7 },
  Genoa: { fmc: null, bootLoader: 0, tee: 1, snp: 6, microcode: 7 },
  Turin: { fmc: 0, bootLoader: 1, tee: 2, snp: 3, microcode: 7 },
} as const satisfies Record<Product, Tcb>;

/** @returns undefined when a reserved byte is not zero */
export function parseTcb(bytes: Uint8Array, product: Product): Tcb | undefined {
  const at = POSITIONS[product];
  const part = (position: number) => bytes[position] ?? 0;
  const tcb = {
    fmc: at.fmc === null ? null : part(at.fmc),
    bootLoader: part(at.bootLoader),
    tee: part(at.tee),
    snp: part(at.snp),
    microcode: part(at.microcode),
  };
  const same = serializeTcb(tcb, product).every((byte, index) => byte === bytes[index]);
  return bytes.length === 8 && same ? tcb : undefined;
}

export function serializeTcb(tcb: Tcb, product: Product): Uint8Array {
  const at = POSITIONS[product];
  const bytes = new Uint8Array(8);
  if (at.fmc !== null) bytes[at.fmc] = tcb.fmc ?? 0;
  bytes[at.bootLoader] = tcb.bootLoader;
  bytes[at.tee] = tcb.tee;
  bytes[at.snp] = tcb.snp;
  bytes[at.microcode] = tcb.microcode;
  return bytes;
}

export function sameTcb(left: Tcb, right: Tcb): boolean {
  return (
    left.fmc === right.fmc &&
    left.bootLoader === right.bootLoader &&
    left.tee === right.tee &&
    left.snp === right.snp &&
    left.microcode === right.microcode
  );
}

/** The product of a CPUID family and model; undefined for a processor without a pinned root. */
export function productOfCpu(cpu: { family: number; model: number }): Product | undefined {
  const within = (low: number, high: number) => cpu.model >= low && cpu.model <= high;
  if (cpu.family === 0x19 && within(0x00, 0x0f)) return 'Milan';
  // 0xa0 to 0xaf are Bergamo and Siena: other dies under the same roots.
  if (cpu.family === 0x19 && (within(0x10, 0x1f) || within(0xa0, 0xaf))) return 'Genoa';
  if (cpu.family === 0x1a && within(0x00, 0x11)) return 'Turin';
  return undefined;
}
