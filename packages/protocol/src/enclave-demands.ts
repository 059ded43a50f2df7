import { z } from 'zod';
import { Sha256HexSchema, Sha384HexSchema } from './fields.ts';
import { PCR_COUNT } from './limits.ts';

/**
 * What a contract may demand of the machine below the enclave. Every member is optional; its
 * default stands beside it and is the stricter choice wherever one exists. Debugging and migration
 * are not here: no contract can allow them.
 */

export const PLATFORM_KINDS = ['amd', 'simulated'] as const;
export const PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;
/** Other dies of a product count their microcode apart; Bergamo stands for Siena too. */
export const DIES = ['Milan-X', 'Genoa-X', 'Bergamo'] as const;

const byte = z.int().min(0).max(255);

/** Smallest acceptable security version numbers; compared part by part, never as one number. */
export const TcbFloorSchema = z.strictObject({
  /** Turin alone has this part; elsewhere it must be absent. Default 0. */
  fmc: z.exactOptional(byte),
  bootLoader: byte,
  tee: byte,
  snp: byte,
  microcode: byte,
  /** In place of `microcode` on that die. Default: `microcode` holds for every die. */
  microcodeOf: z.exactOptional(z.partialRecord(z.enum(DIES), byte)),
});
export type TcbFloor = z.infer<typeof TcbFloorSchema>;

export const FirmwareSchema = z.strictObject({ major: byte, minor: byte, build: byte });

/** Floors with a name, each containing the one before it; the numbers are in attestation. */
export const FLOOR_PRESETS = ['badram', 'entrysign', 'rmpocalypse', '2026-05'] as const;
export type FloorPreset = (typeof FLOOR_PRESETS)[number];

/** Bits of POLICY: what the guest allows, fixed at its launch. */
export const GUEST_POLICY_BITS = [
  'smt',
  'single-socket',
  'cxl',
  'memory-aes-256-xts',
  'rapl-disabled',
  'ciphertext-hiding',
  'page-swap-disabled',
] as const;
export type GuestPolicyBit = (typeof GUEST_POLICY_BITS)[number];

/** Bits of PLATFORM_INFO: what the host had set when the report was made. */
export const PLATFORM_INFO_BITS = [
  'smt',
  'tsme',
  'ecc',
  'rapl-disabled',
  'ciphertext-hiding',
  'alias-check',
  'iommu-write-safe',
  'sev-tio',
] as const;
export type PlatformInfoBit = (typeof PLATFORM_INFO_BITS)[number];

export const ENDORSEMENT_KINDS = ['vcek', 'vlek'] as const;

const listOf = <T extends z.ZodType>(item: T, most = 64) => z.array(item).min(1).max(most);
/** 64 bits in hex, without needless zeros. */
const bits64 = z.string().regex(/^(0|[1-9a-f][0-9a-f]{0,15})$/);
const hex16 = z.string().regex(/^[0-9a-f]{32}$/);

const GuestDemandsSchema = z.strictObject({
  /** Exactly this privilege level. Default 0, the highest. */
  vmpl: z.exactOptional(z.int().min(0).max(3)),
  required: z.exactOptional(listOf(z.enum(GUEST_POLICY_BITS))),
  forbidden: z.exactOptional(listOf(z.enum(GUEST_POLICY_BITS))),
  /** The guest refuses firmware of an older ABI. Default: any. */
  minimumAbi: z.exactOptional(z.strictObject({ major: byte, minor: byte })),
});

const PlatformInfoDemandsSchema = z.strictObject({
  required: z.exactOptional(listOf(z.enum(PLATFORM_INFO_BITS))),
  forbidden: z.exactOptional(listOf(z.enum(PLATFORM_INFO_BITS))),
  /** Bits that this version does not know. Default `accepted`: new firmware sets new ones. */
  unknownBits: z.exactOptional(z.enum(['accepted', 'refused'])),
});

/** GUEST_SVN, FAMILY_ID and IMAGE_ID are the host's choice unless the ID key is pinned. */
const IdBlockDemandsSchema = z.strictObject({
  /** SHA-384 of the ID key in AMD's form; one of them. */
  idKeyDigests: listOf(Sha384HexSchema, 16),
  /** SHA-384 of the author key, which must then have signed the ID key. Default: any or none. */
  authorKeyDigests: z.exactOptional(listOf(Sha384HexSchema, 16)),
  minimumGuestSvn: z.exactOptional(z.int().min(0).max(0xffffffff)),
  familyId: z.exactOptional(hex16),
  imageId: z.exactOptional(hex16),
});

const PCR_INDICES = Array.from({ length: PCR_COUNT }, (_, index) => `${index}`);

/**
 * SHA-256 values of PCRs by their index, beside a measurement that is a paravisor's. On an Azure
 * confidential VM the measurement says nothing about what the guest booted: the PCRs do.
 */
export const PcrsSchema = z
  .partialRecord(z.enum(PCR_INDICES), Sha256HexSchema)
  .refine((pcrs) => Object.keys(pcrs).length > 0, { error: 'at least one PCR' });
export type Pcrs = z.infer<typeof PcrsSchema>;

const UvmDemandsSchema = z.strictObject({
  /** Microsoft's security version of its utility VM must be at least this. */
  minimumSvn: z.int().min(0).max(0xffffffff),
  /** Default: that of confidential containers. */
  feed: z.exactOptional(z.string().min(1).max(200)),
});

/** Refused whatever else holds; a service may add entries at any time without a new contract. */
export const KillListSchema = z.strictObject({
  /** 64 bytes in hex; of a Turin the first 8 bytes suffice. */
  chipIds: z.exactOptional(listOf(z.string().regex(/^([0-9a-f]{16}|[0-9a-f]{128})$/), 1_024)),
  products: z.exactOptional(listOf(z.enum(PRODUCTS))),
  /** A version is refused when every part that is named here is equal. */
  tcbs: z.exactOptional(
    listOf(
      z.strictObject({
        product: z.enum(PRODUCTS),
        fmc: z.exactOptional(byte),
        bootLoader: z.exactOptional(byte),
        tee: z.exactOptional(byte),
        snp: z.exactOptional(byte),
        microcode: z.exactOptional(byte),
      }),
      256,
    ),
  ),
});
export type KillList = z.infer<typeof KillListSchema>;

/** The optional members of a contract's `enclave`. */
export const ENCLAVE_DEMANDS = {
  /**
   * The lines that are accepted. Default: those with a floor in `minimumTcb`; without any floor
   * Genoa and Turin, on the simulated platform all. Milan always has to be named (SECURITY.md).
   */
  products: z.exactOptional(listOf(z.enum(PRODUCTS))),
  /** In addition to `minimumTcb`. Default: none; the verdict names what is open either way. */
  floorPreset: z.exactOptional(z.enum(FLOOR_PRESETS)),
  /** Version of the SNP firmware, current and committed. Default: any. */
  minimumFirmware: z.exactOptional(z.partialRecord(z.enum(PRODUCTS), FirmwareSchema)),
  /** Firmware newer than what is committed, which can be rolled back. Default `refused`. */
  provisionalFirmware: z.exactOptional(z.enum(['refused', 'accepted'])),
  /** Default `["vcek"]`: a VLEK proves a cloud provider's fleet, not a chip. */
  endorsementKinds: z.exactOptional(listOf(z.enum(ENDORSEMENT_KINDS))),
  /** Whose VLEKs are accepted. Default: any provider's. */
  providers: z.exactOptional(listOf(z.string().min(1).max(200), 16)),
  guestPolicy: z.exactOptional(GuestDemandsSchema),
  platformInfo: z.exactOptional(PlatformInfoDemandsSchema),
  /** Mitigation vectors of a report of version 5; an older one fails them. Default: none. */
  mitigations: z.exactOptional(
    z.strictObject({ launch: z.exactOptional(bits64), current: z.exactOptional(bits64) }),
  ),
  /** Default: no ID block is looked at, and nothing that it sets is believed. */
  idBlock: z.exactOptional(IdBlockDemandsSchema),
  /**
   * HOST_DATA, one of these. Default: the contract's id. On Azure the SHA-256 of the container
   * policy; the contract is then bound by the runtime claims alone.
   */
  hostData: z.exactOptional(listOf(Sha256HexSchema, 16)),
  /** The measurement is of a utility VM that Microsoft endorses. Default: not demanded. */
  uvm: z.exactOptional(UvmDemandsSchema),
  /** A revocation list of the root must have been looked at. Default `optional`. */
  revocationList: z.exactOptional(z.enum(['required', 'optional'])),
  killList: z.exactOptional(KillListSchema),
};

interface Demands {
  readonly products?: readonly string[];
  readonly minimumTcb: Readonly<Partial<Record<(typeof PRODUCTS)[number], TcbFloor>>>;
  readonly minimumFirmware?: Readonly<Partial<Record<string, unknown>>>;
}

/** What the shape cannot say: demands that contradict one another. Undefined when none do. */
export function contradictionIn(enclave: Demands): string | undefined {
  const { products } = enclave;
  const floors = { ...enclave.minimumTcb, ...enclave.minimumFirmware };
  const stray = Object.keys(floors).find((each) => products?.includes(each) === false);
  if (stray !== undefined) return `a floor for ${stray}, which products does not name`;
  for (const [product, floor] of Object.entries(enclave.minimumTcb)) {
    if (floor.fmc !== undefined && product !== 'Turin') return `${product} has no part fmc`;
  }
  return undefined;
}
