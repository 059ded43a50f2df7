import { PRODUCTS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Certificate } from '../x509/certificate.ts';
import {
  DerError,
  DerReader,
  type DerValue,
  readByteInteger,
  readLatin,
  TAGS,
} from '../x509/der.ts';
import type { Product, Tcb } from './tcb.ts';

/** What an endorsement key's certificate says about the chip (AMD publication 57230, §3). */
export interface Endorsement {
  readonly product: Product;
  readonly tcb: Tcb;
  /** 64 bytes, on Turin 8; null on a VLEK, which belongs to a provider and not to a chip. */
  readonly hardwareId: Uint8Array | null;
  /** Of the cloud provider; null on a VCEK. */
  readonly cspId: string | null;
}

const ARC = '1.3.6.1.4.1.3704.1';
export const EXTENSIONS = {
  structVersion: `${ARC}.1`,
  productName: `${ARC}.2`,
  bootLoader: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  spl4: `${ARC}.3.4`,
  spl5: `${ARC}.3.5`,
  spl6: `${ARC}.3.6`,
  spl7: `${ARC}.3.7`,
  microcode: `${ARC}.3.8`,
  fmc: `${ARC}.3.9`,
  hardwareId: `${ARC}.4`,
  cspId: `${ARC}.5`,
} as const;

/** @throws ERR_CERTIFICATE_CHAIN with `check: endorsement` and the extension that is wrong */
export function readEndorsement(leaf: Certificate, kind: 'vcek' | 'vlek'): Endorsement {
  const product = readProduct(leaf);
  const turin = product === 'Turin';
  demand(byteOf(leaf, 'structVersion') === (turin ? 1 : 0), 'structVersion');
  for (const spare of turin ? SPARE_ON_TURIN : SPARE) demand(byteOf(leaf, spare) === 0, spare);
  if (turin) forbid(leaf, 'spl4');
  else forbid(leaf, 'fmc');
  forbid(leaf, kind === 'vcek' ? 'cspId' : 'hardwareId');
  return {
    product,
    tcb: {
      fmc: turin ? byteOf(leaf, 'fmc') : null,
      bootLoader: byteOf(leaf, 'bootLoader'),
      tee: byteOf(leaf, 'tee'),
      snp: byteOf(leaf, 'snp'),
      microcode: byteOf(leaf, 'microcode'),
    },
    hardwareId: kind === 'vcek' ? readHardwareId(leaf, turin ? 8 : 64) : null,
    cspId: kind === 'vlek' ? readText(leaf, 'cspId') : null,
  };
}

type ExtensionName = keyof typeof EXTENSIONS;

const SPARE_ON_TURIN = ['spl5', 'spl6', 'spl7'] as const;
const SPARE = ['spl4', ...SPARE_ON_TURIN] as const;

/** "Milan-B0" is a Milan: the stepping behind the hyphen only informs. */
function readProduct(leaf: Certificate): Product {
  const name = readText(leaf, 'productName').split('-')[0];
  const product = PRODUCTS.find((known) => known === name);
  if (product === undefined) throw refusal('productName');
  return product;
}

/**
 * AMD writes the 64 (Turin: 8) bytes without a DER tag; a newer spelling wraps them into an OCTET
 * STRING. Only the length tells them apart: raw bytes may begin with 04 40 by chance.
 */
function readHardwareId(leaf: Certificate, bytes: number): Uint8Array {
  const value = contentOf(leaf, 'hardwareId');
  if (value.length === bytes) return value;
  const wrapped = single(value, TAGS.octetString, 'hardwareId').content;
  demand(wrapped.length === bytes, 'hardwareId');
  return wrapped;
}

function byteOf(leaf: Certificate, name: ExtensionName): number {
  try {
    return readByteInteger(single(contentOf(leaf, name), TAGS.integer, name));
  } catch (error) {
    if (error instanceof DerError) throw refusal(name);
    throw error;
  }
}

function readText(leaf: Certificate, name: ExtensionName): string {
  return readLatin(single(contentOf(leaf, name), TAGS.ia5String, name).content);
}

function contentOf(leaf: Certificate, name: ExtensionName): Uint8Array {
  const extension = leaf.extensions.get(EXTENSIONS[name]);
  if (!extension) throw refusal(name);
  return extension.value;
}

function single(bytes: Uint8Array, tag: number, name: ExtensionName): DerValue {
  try {
    const reader = new DerReader(bytes);
    const value = reader.next(tag);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof DerError) throw refusal(name);
    throw error;
  }
}

function forbid(leaf: Certificate, name: ExtensionName): void {
  demand(!leaf.extensions.has(EXTENSIONS[name]), name);
}

function demand(holds: boolean, name: ExtensionName): void {
  if (!holds) throw refusal(name);
}

function refusal(extension: ExtensionName): StrongroomError {
  return new StrongroomError('ERR_CERTIFICATE_CHAIN', { check: 'endorsement', extension });
}
