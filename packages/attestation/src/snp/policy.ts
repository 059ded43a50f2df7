/** POLICY and KEY_INFO of the SEV-SNP firmware ABI, bit by bit. */

export interface GuestPolicy {
  readonly abiMinor: number;
  readonly abiMajor: number;
  readonly smtAllowed: boolean;
  readonly migrationAllowed: boolean;
  readonly debugAllowed: boolean;
  readonly singleSocket: boolean;
}

const bit = (value: bigint, number: bigint): boolean => ((value >> number) & 1n) === 1n;

/** Undefined when bit 17 (reserved, one) is zero or one of bits 63:26 (reserved, zero) is not. */
export function parsePolicy(policy: bigint): GuestPolicy | undefined {
  if (!bit(policy, 17n) || policy >> 26n !== 0n) return undefined;
  return {
    abiMinor: Number(policy & 0xffn),
    abiMajor: Number((policy >> 8n) & 0xffn),
    smtAllowed: bit(policy, 16n),
    migrationAllowed: bit(policy, 18n),
    debugAllowed: bit(policy, 19n),
    singleSocket: bit(policy, 20n),
  };
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
