import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Looks for secrets where none may be: plants are random, so a hit is a leak and nothing else.
 * Every plant is searched raw, in hex, and in base64 and base64url in their three phases.
 */

export interface Plant {
  /** What it is, for the report: `row`, `column name`, `master key of left`. */
  readonly label: string;
  readonly bytes: Uint8Array;
}

export interface Hit {
  readonly label: string;
  readonly encoding: string;
  readonly file: string;
  readonly offset: number;
}

interface Pattern {
  readonly label: string;
  readonly encoding: string;
  readonly bytes: Buffer;
}

const PLANT_BYTES_MIN = 16;
const PREFIX_BYTES = 4;

export class CanaryScanner {
  /** First two bytes of any pattern: one look-up dismisses nearly every position. */
  readonly #firstTwo = new Uint8Array(65_536);
  readonly #byPrefix = new Map<number, Pattern[]>();
  /** Files read so far; a scan of nothing would find nothing. */
  filesScanned = 0;
  bytesScanned = 0;

  constructor(plants: readonly Plant[]) {
    for (const pattern of plants.flatMap(patternsOf)) {
      this.#firstTwo[pattern.bytes.readUInt16BE(0)] = 1;
      const prefix = pattern.bytes.readUInt32BE(0);
      this.#byPrefix.set(prefix, [...(this.#byPrefix.get(prefix) ?? []), pattern]);
    }
  }

  /** Every hit in a file or below a folder, but for the paths that `skip` names. */
  scan(place: string, skip: (file: string) => boolean = () => false): Hit[] {
    if (skip(place)) return [];
    const stat = lstatSync(place);
    if (stat.isDirectory()) {
      return readdirSync(place).flatMap((name) => this.scan(path.join(place, name), skip));
    }
    return stat.isFile() ? this.scanBytes(readFileSync(place), place) : [];
  }

  scanBytes(bytes: Buffer, file: string): Hit[] {
    this.filesScanned += 1;
    this.bytesScanned += bytes.length;
    const hits: Hit[] = [];
    for (let at = 0; at + PREFIX_BYTES <= bytes.length; at += 1) {
      const two = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
      if (this.#firstTwo[two] !== 1) continue;
      for (const pattern of this.#byPrefix.get(bytes.readUInt32BE(at)) ?? []) {
        const found = bytes.subarray(at, at + pattern.bytes.length);
        if (pattern.bytes.equals(found)) {
          hits.push({ label: pattern.label, encoding: pattern.encoding, file, offset: at });
        }
      }
    }
    return hits;
  }
}

/** The forms in which a plant may show; also what the self-test plants. */
export function encodingsOf(bytes: Uint8Array): { encoding: string; bytes: Buffer }[] {
  const raw = Buffer.from(bytes);
  const hex = raw.toString('hex');
  const forms: { encoding: string; bytes: Buffer }[] = [
    { encoding: 'raw', bytes: raw },
    { encoding: 'hex', bytes: Buffer.from(hex) },
    { encoding: 'HEX', bytes: Buffer.from(hex.toUpperCase()) },
    { encoding: 'utf-16le', bytes: Buffer.from(raw.toString('latin1'), 'utf16le') },
  ];
  for (const alphabet of ['base64', 'base64url'] as const) {
    for (const phase of [0, 1, 2]) {
      forms.push({ encoding: `${alphabet} +${phase}`, bytes: base64Core(raw, alphabet, phase) });
    }
  }
  return forms;
}

function patternsOf({ label, bytes }: Plant): Pattern[] {
  if (bytes.length < PLANT_BYTES_MIN) throw new Error(`${label} is too short to be recognised`);
  return encodingsOf(bytes).map((form) => ({ label, ...form }));
}

/** The letters that depend on the plant alone, whatever stands before and after it. */
function base64Core(raw: Buffer, alphabet: 'base64' | 'base64url', phase: number): Buffer {
  const padded = Buffer.concat([Buffer.alloc(phase), raw]).toString(alphabet);
  const from = phase === 0 ? 0 : phase + 1;
  const whole = Math.floor(((phase + raw.length) * 8) / 6);
  return Buffer.from(padded.slice(from, whole));
}
