import type { GuestPolicyBit, PlatformInfoBit } from '@strongroom/protocol/enclave-demands';

/** POLICY, PLATFORM_INFO and KEY_INFO of the SEV-SNP firmware ABI, bit by bit. */

export interface GuestPolicy {
  readonly abiMinor: number;
  readonly abiMajor: number;
  readonly smtAllowed: boolean;
  readonly migrationAllowed: boolean;
  readonly debugAllowed: boolean;
  /** The bits that a contract may demand or forbid and that are set. */
  readonly bits: ReadonlySet<GuestPolicyBit>;
}

const bit = (value: bigint, number: bigint): boolean => ((value >> number) & 1n) === 1n;

/** Table "Guest Policy Structure"; 17 is reserved, 18 and 19 are never for a contract to allow. */
const POLICY_BITS: Readonly<Record<GuestPolicyBit, bigint>> = {
  smt: 16n,
  'single-socket': 20n,
  cxl: 21n,
  'memory-aes-256-xts': 22n,
  'rapl-disabled': 23n,
  'ciphertext-hiding': 24n,
  'page-swap-disabled': 25n,
};

/** Undefined when bit 17 (reserved, one) is zero or one of bits 63:26 (reserved, zero) is not. */
export function parsePolicy(policy: bigint): GuestPolicy | undefined {
  if (!bit(policy, 17n) || policy >> 26n !== 0n) return undefined;
  return {
    abiMinor: Number(policy & 0xffn),
    abiMajor: Number((policy >> 8n) & 0xffn),
    smtAllowed: bit(policy, POLICY_BITS.smt),
    migrationAllowed: bit(policy, 18n),
    debugAllowed: bit(policy, 19n),
    bits: namedBits(policy, POLICY_BITS),
  };
}

/** Table "PLATFORM_INFO Field"; alias-check is BadRAM's, iommu-write-safe that of AMD-SB-3016. */
const PLATFORM_BITS: Readonly<Record<PlatformInfoBit, bigint>> = {
  smt: 0n,
  tsme: 1n,
  ecc: 2n,
  'rapl-disabled': 3n,
  'ciphertext-hiding': 4n,
  'alias-check': 5n,
  'iommu-write-safe': 6n,
  'sev-tio': 7n,
};

export interface PlatformInfo {
  readonly bits: ReadonlySet<PlatformInfoBit>;
  /** What is set and has no name here: newer firmware. */
  readonly unknown: bigint;
}

export function parsePlatformInfo(value: bigint): PlatformInfo {
  return { bits: namedBits(value, PLATFORM_BITS), unknown: (value >> 8n) << 8n };
}

function namedBits<Name extends string>(
  value: bigint,
  positions: Readonly<Record<Name, bigint>>,
): ReadonlySet<Name> {
  const found = new Set<Name>();
  for (const name in positions) if (bit(value, positions[name])) found.add(name);
  return found;
}

export const SIGNING_KEYS = { 0: 'vcek', 1: 'vlek', 7: 'none' } as const;
export type SigningKeyKind = (typeof SIGNING_KEYS)[keyof typeof SIGNING_KEYS];

export interface KeyInfo {
  readonly authorKeyEnabled: boolean;
  /** Nothing was signed. */
  readonly chipKeyMasked: boolean;
  readonly signingKey: SigningKeyKind;
}

/** Undefined when a reserved bit is set or the signing key is none of the known ones. */
export function parseKeyInfo(keyInfo: number): KeyInfo | undefined {
  const signingKey = signingKeyOf((keyInfo >>> 2) & 7);
  if (keyInfo >>> 5 !== 0 || signingKey === undefined) return undefined;
  return {
    authorKeyEnabled: (keyInfo & 1) === 1,
    chipKeyMasked: (keyInfo & 2) === 2,
    signingKey,
  };
}

function signingKeyOf(code: number): SigningKeyKind | undefined {
  if (code === 0 || code === 1 || code === 7) return SIGNING_KEYS[code];
  return undefined;
}
