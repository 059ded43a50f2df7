import assert from 'node:assert/strict';

/**
 * A map of an Arrow stream: where every number of its metadata and every buffer of its bodies lies,
 * by name. Mutants and forged streams are made with it. It trusts the stream, which a good writer
 * made, and shares no code with the reader that is tested.
 */
export interface ArrowMap {
  readonly frames: readonly FrameMap[];
  readonly spots: readonly Spot[];
}

interface FrameMap {
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
  /** Within the stream. */
  readonly buffers: readonly { readonly start: number; readonly end: number }[];
}

/** A number, little-endian. */
export interface Spot {
  /** For example `2.header.nodes[0].nulls`: the third frame's record batch. */
  readonly name: string;
  readonly at: number;
  readonly width: 1 | 2 | 4 | 8;
}

type Member = readonly [name: string, kind: 1 | 2 | 4 | 8 | 'text' | 'buffers' | 'nodes' | Shape];
interface Shape {
  readonly members: readonly Member[];
  readonly isVector?: boolean;
}

const NONE: Shape = { members: [] };
const INT: Shape = {
  members: [
    ['bits', 4],
    ['signed', 1],
  ],
};
const TYPES: Readonly<Record<number, Shape>> = {
  2: INT,
  3: { members: [['precision', 2]] },
  7: {
    members: [
      ['precision', 4],
      ['scale', 4],
      ['bits', 4],
    ],
  },
  8: { members: [['unit', 2]] },
  10: {
    members: [
      ['unit', 2],
      ['timezone', 'text'],
    ],
  },
};
const ENCODING: Shape = {
  members: [
    ['id', 8],
    ['index', INT],
    ['ordered', 1],
    ['kind', 2],
  ],
};
const FIELD = (kind: number): Shape => ({
  members: [
    ['name', 'text'],
    ['nullable', 1],
    ['kind', 1],
    ['type', TYPES[kind] ?? NONE],
    ['dictionary', ENCODING],
    ['children', { members: [], isVector: true }],
  ],
});
const BATCH: Shape = {
  members: [
    ['rows', 8],
    ['nodes', 'nodes'],
    ['buffers', 'buffers'],
  ],
};
const DICTIONARY: Shape = {
  members: [
    ['id', 8],
    ['data', BATCH],
    ['delta', 1],
  ],
};

export function mapArrow(bytes: Uint8Array): ArrowMap {
  const walk = new Walk(bytes);
  const frames: FrameMap[] = [];
  for (let at = 0; walk.view.getUint32(at + 4, true) !== 0; at = frames.at(-1)?.end ?? 0) {
    frames.push(walk.frame(at, `${frames.length}`));
  }
  return { frames, spots: walk.spots };
}

export function spotOf({ spots }: ArrowMap, name: string): Spot {
  const spot = spots.find((each) => each.name === name);
  assert(spot, `there is a spot ${name}`);
  return spot;
}

export function readSpot(bytes: Uint8Array, { at, width }: Spot): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 8) return view.getBigInt64(at, true);
  return BigInt(
    width === 4
      ? view.getInt32(at, true)
      : width === 2
        ? view.getInt16(at, true)
        : view.getInt8(at),
  );
}

/** The value is cut to the spot's width. */
export function writeSpot(bytes: Uint8Array, { at, width }: Spot, value: bigint): void {
  for (let index = 0; index < width; index++) {
    bytes[at + index] = Number((value >> BigInt(index * 8)) & 0xffn);
  }
}

class Walk {
  readonly view: DataView;
  readonly spots: Spot[] = [];
  #buffers: { offset: number; length: number }[] = [];

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  frame(start: number, name: string): FrameMap {
    this.#spot(`${name}.continuation`, start, 4);
    this.#spot(`${name}.metadata`, start + 4, 4);
    const message = start + 8;
    const bodyStart = message + this.view.getInt32(start + 4, true);
    this.#spot(`${name}.root`, message, 4);
    this.#buffers = [];
    const table = message + this.view.getUint32(message, true);
    const kind = this.view.getUint8(this.#slot(table, 1));
    const header = kind === 1 ? this.#schema(table) : kind === 2 ? DICTIONARY : BATCH;
    this.#table(table, name, {
      members: [
        ['version', 2],
        ['kind', 1],
        ['header', header],
        ['body', 8],
      ],
    });
    const body = this.#slot(table, 3);
    const end = bodyStart + (body === 0 ? 0 : Number(this.view.getBigInt64(body, true)));
    const buffers = this.#buffers.map(({ offset, length }) => ({
      start: bodyStart + offset,
      end: bodyStart + offset + length,
    }));
    return { start, bodyStart, end, buffers };
  }

  /** The fields' shapes depend on their types. */
  #schema(message: number): Shape {
    const header = this.#follow(this.#slot(message, 2));
    const vector = this.#follow(this.#slot(header, 1));
    const count = this.view.getUint32(vector, true);
    const fields = Array.from({ length: count }, (_none, index): Member => {
      const field = this.#follow(vector + 4 + index * 4);
      return [`[${index}]`, FIELD(this.view.getUint8(this.#slot(field, 2)))];
    });
    return {
      members: [
        ['endianness', 2],
        ['fields', { members: fields, isVector: true }],
      ],
    };
  }

  #table(at: number, name: string, { members }: Shape): void {
    const vtable = at - this.view.getInt32(at, true);
    this.#spot(`${name}.vtable`, at, 4);
    this.#spot(`${name}.vtable.size`, vtable, 2);
    this.#spot(`${name}.vtable.bytes`, vtable + 2, 2);
    for (const [index, [member, kind]] of members.entries()) {
      const slot = vtable + 4 + index * 2;
      if (slot >= vtable + this.view.getUint16(vtable, true)) continue;
      this.#spot(`${name}.${member}.slot`, slot, 2);
      const place = this.#slot(at, index);
      if (place !== 0) this.#member(place, `${name}.${member}`, kind);
    }
  }

  #member(at: number, name: string, kind: Member[1]): void {
    if (typeof kind === 'number') {
      this.#spot(name, at, kind);
      return;
    }
    this.#spot(`${name}.offset`, at, 4);
    const target = this.#follow(at);
    if (kind === 'text') this.#spot(`${name}.length`, target, 4);
    else if (kind === 'buffers' || kind === 'nodes') this.#pairs(target, name, kind);
    else if (kind.isVector) this.#vector(target, name, kind);
    else this.#table(target, name, kind);
  }

  #vector(at: number, name: string, { members }: Shape): void {
    this.#spot(`${name}.length`, at, 4);
    for (const [index, [item, kind]] of members.entries()) {
      this.#member(at + 4 + index * 4, `${name}${item}`, kind);
    }
  }

  #pairs(at: number, name: string, kind: 'buffers' | 'nodes'): void {
    this.#spot(`${name}.length`, at, 4);
    const [one, other] = kind === 'buffers' ? ['offset', 'length'] : ['length', 'nulls'];
    for (let index = 0; index < this.view.getUint32(at, true); index++) {
      const place = at + 4 + index * 16;
      this.#spot(`${name}[${index}].${one}`, place, 8);
      this.#spot(`${name}[${index}].${other}`, place + 8, 8);
      if (kind === 'nodes') continue;
      const offset = Number(this.view.getBigInt64(place, true));
      this.#buffers.push({ offset, length: Number(this.view.getBigInt64(place + 8, true)) });
    }
  }

  #slot(table: number, field: number): number {
    const vtable = table - this.view.getInt32(table, true);
    if (4 + field * 2 >= this.view.getUint16(vtable, true)) return 0;
    const offset = this.view.getUint16(vtable + 4 + field * 2, true);
    return offset === 0 ? 0 : table + offset;
  }

  #follow(at: number): number {
    return at + this.view.getUint32(at, true);
  }

  #spot(name: string, at: number, width: Spot['width']): void {
    this.spots.push({ name, at, width });
  }
}
