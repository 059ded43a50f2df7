/**
 * ATTESTATION_REPORT of the SEV-SNP firmware ABI (AMD publication 56860, table "ATTESTATION_REPORT
 * Structure"): 1184 bytes, little-endian. Each field is [offset, bytes].
 */
export const REPORT_BYTES = 0x4a0;
/** The signature covers everything before it. */
export const SIGNED_BYTES = 0x2a0;

export const REPORT_VERSIONS = [2, 3, 5] as const;
export type ReportVersion = (typeof REPORT_VERSIONS)[number];

export type Span = readonly [offset: number, bytes: number];

export const FIELDS = {
  version: [0x000, 4],
  guestSvn: [0x004, 4],
  /** What the guest's owner allows: see `policy.ts`. */
  policy: [0x008, 8],
  familyId: [0x010, 16],
  imageId: [0x020, 16],
  /** 0 to 3, asked by the guest; 0xffffffff in a report that the host asked for. */
  vmpl: [0x030, 4],
  /** 1 = ECDSA P-384 with SHA-384; there is no other. */
  signatureAlgorithm: [0x034, 4],
  currentTcb: [0x038, 8],
  platformInfo: [0x040, 8],
  /** Bit 0 author key, bit 1 masked chip key, bits 2-4 signing key. */
  keyInfo: [0x048, 4],
  reportData: [0x050, 64],
  measurement: [0x090, 48],
  hostData: [0x0c0, 32],
  idKeyDigest: [0x0e0, 48],
  authorKeyDigest: [0x110, 48],
  reportId: [0x140, 32],
  reportIdMa: [0x160, 32],
  /** The security versions from which the endorsement key was derived. */
  reportedTcb: [0x180, 8],
  cpuFamily: [0x188, 1],
  cpuModel: [0x189, 1],
  cpuStepping: [0x18a, 1],
  chipId: [0x1a0, 64],
  committedTcb: [0x1e0, 8],
  /** build, minor, major */
  currentFirmware: [0x1e8, 3],
  committedFirmware: [0x1ec, 3],
  launchTcb: [0x1f0, 8],
  launchMitigations: [0x1f8, 8],
  currentMitigations: [0x200, 8],
  signatureR: [0x2a0, 48],
  signatureS: [0x2e8, 48],
} as const satisfies Record<string, Span>;

/** Neither the padding of r and s nor the tail is signed: unchecked, they would be free to flip. */
const RESERVED: readonly Span[] = [
  [0x04c, 4],
  [0x1eb, 1],
  [0x1ef, 1],
  [0x2d0, 24],
  [0x318, 24],
  [0x330, 368],
];

const RESERVED_IN_VERSION: Readonly<Record<ReportVersion, readonly Span[]>> = {
  2: [
    [0x188, 24],
    [0x1f8, 168],
  ],
  3: [
    [0x18b, 21],
    [0x1f8, 168],
  ],
  5: [
    [0x18b, 21],
    [0x208, 152],
  ],
};

/** The ranges that must be zero in a report of this version. */
export function reservedSpans(version: ReportVersion): readonly Span[] {
  return [...RESERVED, ...RESERVED_IN_VERSION[version]];
}
