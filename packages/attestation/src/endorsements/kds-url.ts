import { PRODUCTS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Product, Tcb } from '../snp/tcb.ts';

/**
 * Addresses of AMD's Key Distribution Service (AMD publication 57230, §4): which certificate is
 * wanted is in the path and the query.
 */
export const KDS_ORIGIN = 'https://kdsintf.amd.com';

/** A chip's endorsement certificate at one set of versions. */
export interface VcekAddress {
  readonly product: Product;
  /** 64 bytes; of Turin the first 8 count and the others are zero. */
  readonly chipId: Uint8Array;
  readonly tcb: Tcb;
}

const CHIP_ID_BYTES = { Milan: 64, Genoa: 64, Turin: 8 } as const satisfies Record<Product, number>;

/** Parameters in the order in which AMD's clients write them. */
const PARAMETERS = ['fmcSPL', 'blSPL', 'teeSPL', 'snpSPL', 'ucodeSPL'] as const;

export function vcekUrl({ product, chipId, tcb }: VcekAddress, origin = KDS_ORIGIN): string {
  const id = Buffer.from(chipId.subarray(0, CHIP_ID_BYTES[product])).toString('hex');
  const query = [
    ...(tcb.fmc === null ? [] : [`fmcSPL=${tcb.fmc}`]),
    `blSPL=${tcb.bootLoader}`,
    `teeSPL=${tcb.tee}`,
    `snpSPL=${tcb.snp}`,
    `ucodeSPL=${tcb.microcode}`,
  ];
  return `${origin}/vcek/v1/${product}/${id}?${query.join('&')}`;
}

/** ASK (of `vlek`: ASVK), then ARK, as PEM. */
export function chainUrl(kind: 'vcek' | 'vlek', product: Product, origin = KDS_ORIGIN): string {
  return `${origin}/${kind}/v1/${product}/cert_chain`;
}

/** DER. */
export function revocationListUrl(
  kind: 'vcek' | 'vlek',
  product: Product,
  origin = KDS_ORIGIN,
): string {
  return `${origin}/${kind}/v1/${product}/crl`;
}

/**
 * The exact inverse of `vcekUrl`, whatever the origin.
 * @throws ERR_REQUEST_INVALID with `check: kds-…` for a parameter that is missing, repeated,
 * unknown, negative or beyond 255
 */
export function parseVcekUrl(url: string): VcekAddress {
  if (!URL.canParse(url)) throw invalid('kds-url');
  const { pathname, searchParams } = new URL(url);
  const [, name, digits] = /^\/vcek\/v1\/([A-Za-z]+)\/([0-9a-f]+)$/.exec(pathname) ?? [];
  const product = PRODUCTS.find((known) => known === name);
  if (product === undefined || digits === undefined) throw invalid('kds-path');
  if (digits.length !== CHIP_ID_BYTES[product] * 2) throw invalid('kds-chip-id');
  const chipId = new Uint8Array(64);
  chipId.set(Buffer.from(digits, 'hex'));
  const [fmc, bootLoader, tee, snp, microcode] = readParameters(searchParams, product);
  return {
    product,
    chipId,
    tcb: {
      fmc: fmc ?? null,
      bootLoader: bootLoader ?? 0,
      tee: tee ?? 0,
      snp: snp ?? 0,
      microcode: microcode ?? 0,
    },
  };
}

function readParameters(given: URLSearchParams, product: Product): (number | undefined)[] {
  const known = product === 'Turin' ? PARAMETERS : PARAMETERS.slice(1);
  if (given.size !== known.length) throw invalid('kds-parameters');
  return PARAMETERS.map((name) => {
    const values = given.getAll(name);
    if (!known.some((each) => each === name)) return undefined;
    const [value = ''] = values;
    // Some clients write two digits.
    const isByte = /^\d{1,3}$/.test(value) && Number(value) <= 255;
    if (values.length !== 1 || !isByte) throw invalid('kds-parameters', name);
    return Number(value);
  });
}

function invalid(check: string, parameter?: string): StrongroomError {
  const facts = parameter === undefined ? { check } : { check, parameter };
  return new StrongroomError('ERR_REQUEST_INVALID', facts);
}
