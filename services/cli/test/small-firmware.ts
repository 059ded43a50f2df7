import { guidBytes } from '../src/launch/guest-firmware.ts';

/** Two pages with the tables at their end that a guest's firmware has, and nothing that runs. */
export interface SmallFirmware {
  readonly sections: readonly (readonly [address: number, size: number, type: number])[];
  readonly resetAddress?: number;
  readonly hashesAddress?: number;
}

export const SECTIONS = [
  [0x80_0000, 0x9000, 1],
  [0x80_a000, 0x3000, 1],
  [0x80_d000, 0x1000, 2],
  [0x80_e000, 0x1000, 3],
  [0x81_0000, 0x1000, 0x10],
] as const;

const SIZE = 8192;
const METADATA_AT = 0x1800;
const RESET = guidBytes('00f771de-1a7e-4fcb-890e-68c77e2fb44e');
const HASHES = guidBytes('7255371f-3a3b-4b04-927b-1da6efa8d454');
const METADATA = guidBytes('dc886566-984a-4798-a75e-5585a7bf67cc');
const FOOTER = guidBytes('96b582de-1fb2-45f7-baea-a366c55a082d');

export function smallFirmware(parts: SmallFirmware = WHOLE): Buffer {
  const bytes = Buffer.alloc(SIZE, 0xf4);
  metadata(parts.sections).copy(bytes, METADATA_AT);
  const entries = [
    parts.hashesAddress === undefined ? [] : [entry(numbers(parts.hashesAddress, 0x400), HASHES)],
    parts.resetAddress === undefined ? [] : [entry(numbers(parts.resetAddress), RESET)],
    [entry(numbers(SIZE - METADATA_AT), METADATA)],
  ].flat();
  const length = entries.reduce((sum, each) => sum + each.length, 18);
  const footer = Buffer.concat([Buffer.from([length % 256, length >> 8]), FOOTER]);
  const table = Buffer.concat([...entries, footer]);
  table.copy(bytes, SIZE - 32 - table.length);
  return bytes;
}

export const WHOLE: SmallFirmware = {
  sections: SECTIONS,
  resetAddress: 0x80_b004,
  hashesAddress: 0x81_0c00,
};

function metadata(sections: SmallFirmware['sections']): Buffer {
  const size = 16 + 12 * sections.length;
  return Buffer.concat([
    Buffer.from('ASEV'),
    numbers(size, 1, sections.length, ...sections.flat()),
  ]);
}

function entry(content: Buffer, guid: Buffer): Buffer {
  const length = content.length + 18;
  return Buffer.concat([content, Buffer.from([length % 256, length >> 8]), guid]);
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value, 4 * index);
  });
  return bytes;
}
