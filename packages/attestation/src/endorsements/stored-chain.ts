import { createHash } from 'node:crypto';
import { PRODUCTS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CERTIFICATE_CHAIN_CHARACTERS_MAX } from '@strongroom/protocol/limits';
import { z } from 'zod';
import type { Product } from '../snp/tcb.ts';

/**
 * A certificate chain as it is kept: found by what it endorses, and with the digest of its text.
 * AMD issues certificates anew for one chip and one set of versions, so a certificate's own hash
 * names nothing.
 */
const StoredChainSchema = z.strictObject({
  v: z.literal(1),
  product: z.enum(PRODUCTS),
  /** VCEK: of the chip. VLEK: zeros. */
  chipId: z.string().regex(/^[0-9a-f]{128}$/),
  reportedTcb: z.string().regex(/^[0-9a-f]{16}$/),
  signer: z.enum(['vcek', 'vlek']),
  certificateChain: z.string().max(CERTIFICATE_CHAIN_CHARACTERS_MAX),
  /** SHA-256 of the chain's text, in hex: what a torn or edited file no longer has. */
  sha256: z.string(),
});
export type StoredChain = z.infer<typeof StoredChainSchema>;

const BUNDLED_LIST_CHARACTERS_MAX = 128 * 1024;

const BundleSchema = z.strictObject({
  v: z.literal(1),
  chains: z.array(StoredChainSchema).max(1_024),
  /** DER in base64. */
  revocationLists: z.exactOptional(z.array(z.base64().max(BUNDLED_LIST_CHARACTERS_MAX)).max(64)),
});

export type Bundle = z.infer<typeof BundleSchema>;

export const BUNDLE_BYTES_MAX = 32 * 1024 * 1024;

/** What a chain is looked for by. */
export interface Endorsed {
  readonly product: Product;
  readonly chipId: Uint8Array;
  readonly reportedTcb: Uint8Array;
  readonly signer: 'vcek' | 'vlek';
}

export function storedChain(endorsed: Endorsed, certificateChain: string): StoredChain {
  return {
    v: 1,
    product: endorsed.product,
    chipId: hex(endorsed.chipId),
    reportedTcb: hex(endorsed.reportedTcb),
    signer: endorsed.signer,
    certificateChain,
    sha256: digestOf(certificateChain),
  };
}

/** The name of its file: chip ids are long, and name a machine to who lists the folder. */
export function storedChainName({ product, chipId, reportedTcb, signer }: Endorsed): string {
  const parts = [product, hex(chipId), hex(reportedTcb), signer];
  return `${digestOf(parts.join('\n'))}.json`;
}

/** @returns undefined for anything but a whole chain for exactly this */
export function parseStoredChain(text: string, endorsed: Endorsed): string | undefined {
  const parsed = StoredChainSchema.safeParse(parseJson(text));
  return parsed.success ? chainOf(parsed.data, endorsed) : undefined;
}

/**
 * `{"v": 1, "chains": […], "revocationLists": […]}`, each chain as a cache's file has it.
 * @throws ERR_CONFIG_INVALID when the text is no bundle: an operator gave it
 */
export function parseBundle(text: string): Bundle {
  const parsed = BundleSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') || 'bundle';
  throw new StrongroomError('ERR_CONFIG_INVALID', { place });
}

/** The chain, if it is for exactly this and its digest fits. */
export function chainOf(stored: StoredChain, endorsed: Endorsed): string | undefined {
  const wanted = storedChain(endorsed, stored.certificateChain);
  const isSame =
    stored.product === wanted.product &&
    stored.chipId === wanted.chipId &&
    stored.reportedTcb === wanted.reportedTcb &&
    stored.signer === wanted.signer &&
    stored.sha256 === wanted.sha256;
  return isSame ? stored.certificateChain : undefined;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
