import { readdirSync, readFileSync } from 'node:fs';

/** The vectors of schemas/sealed-batch, as its README describes them. */

export const VECTORS = new URL('../../schemas/sealed-batch/vectors/', import.meta.url);

export interface PublicJwk {
  readonly kty: string;
  readonly [member: string]: string;
}

export interface ContractExtract {
  readonly id: string;
  readonly dataset: {
    readonly id: string;
    readonly keyId: string;
    readonly wrappingKey: PublicJwk;
    readonly eventTime?: string;
  };
  readonly owner: { readonly id: string; readonly signingKey: PublicJwk };
  readonly wrappingPrivateKey: PublicJwk;
}

export interface VectorRecord {
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64; or `zeros`, how many zero bytes the value has. */
  readonly value?: string;
  readonly zeros?: number;
}

export interface VectorStart {
  readonly stream: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly head: string;
  readonly rows: number;
}

export interface Vector {
  readonly name: string;
  readonly about: string;
  readonly contract: ContractExtract;
  readonly start?: VectorStart;
  readonly records: readonly VectorRecord[];
  readonly expected: {
    readonly accepted: readonly string[];
    readonly refused?: { readonly category: string; readonly code: string };
    readonly keys?: readonly string[];
  };
}

/** What a reader made of each record: a SHA-256, `reached`, `ahead`, or an error code. */
export function outcomesOf(vector: Vector): string[] {
  const { accepted, refused } = vector.expected;
  return refused ? [...accepted, refused.code] : [...accepted];
}

export function bytesOfValue(record: VectorRecord): Uint8Array {
  return record.zeros === undefined
    ? Buffer.from(record.value ?? '', 'base64')
    : new Uint8Array(record.zeros);
}

export function readVectors(): Vector[] {
  return readdirSync(VECTORS)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8')));
}
