import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Platform, Quote } from '../platforms/platform.ts';
import { type Firmware, SIGNED_BYTES, type SnpReport, serializeReport } from '../report.ts';
import { FIELDS, type ReportVersion } from '../snp/layout.ts';
import { type Product, serializeTcb, type Tcb } from '../snp/tcb.ts';
import { toPem } from '../x509/pem.ts';
import type { CertificateFacts } from '../x509/write-certificate.ts';
import { latin } from '../x509/write-der.ts';
import { endorsementFacts, writeEndorsement } from './certificates.ts';
import { chipIdOf, endorsementKeyOf } from './chip.ts';
import {
  createDeployment,
  type Deployment,
  type DeploymentOptions,
  readDeployment,
} from './deployment.ts';
import { launchDigest } from './image.ts';
import { type RevocationOptions, writeSimulatedList } from './revocation.ts';

/**
 * A platform without hardware: reports that are byte for byte what firmware makes, signed under a
 * root of its own. The verifying path is the same; only the root set differs. Proves nothing.
 */
export interface SimulatedPlatform {
  launch(options: LaunchOptions): Platform;
  /** A revocation list by the root of a product, which must be one of this deployment. */
  revocationList(product: Product, options?: RevocationOptions): Uint8Array;
}

type TcbName = 'current' | 'committed' | 'reported' | 'launch';

export interface LaunchOptions {
  /** What is launched: parts of any length, measured page by page. */
  readonly image: readonly Uint8Array[];
  /** 32 bytes, unchangeable after the launch; the contract's id. */
  readonly hostData: Uint8Array;
  readonly product?: Product;
  /** 4 is written in the layout of 3: no firmware is known to make it, and nobody may read it. */
  readonly version?: ReportVersion | 4;
  readonly vmpl?: number;
  readonly debug?: boolean;
  readonly signer?: 'vcek' | 'vlek';
  readonly tcb?: Partial<Record<TcbName, Partial<Tcb>>>;
  readonly firmware?: { readonly current?: Firmware; readonly committed?: Firmware };
  readonly platformInfo?: bigint;
  /** In place of a policy that allows SMT and nothing else; `debug` sets its bit in either. */
  readonly guestPolicy?: bigint;
  /** What an ID block sets; the model believes it, since verifiers see the digests only. */
  readonly idBlock?: SimulatedIdBlock;
  /** Of version 5; every known mitigation unless said otherwise. */
  readonly mitigations?: { readonly launch: bigint; readonly current: bigint };
  /** Another die of the product. */
  readonly cpu?: NonNullable<SnpReport['cpu']>;
  /** 32 bytes: the report id of a migration agent. */
  readonly migrationAgent?: Uint8Array;
  /** The report that a host asks for: no privilege level, no report data. */
  readonly hostRequested?: boolean;
  /** The chip's id is zeroed, or its key is masked and nothing is signed. */
  readonly masked?: 'chip-id' | 'chip-key';
  /** The certificate of another chip with the same versions. */
  readonly otherChip?: boolean;
  /** The certificate ended a day before the deployment's roots began. */
  readonly expired?: boolean;
  /** For tests: changes the report's bytes before they are signed. */
  readonly mutate?: (report: Uint8Array) => void;
  /** For tests: changes what the endorsement certificate says before it is signed. */
  readonly mutateLeaf?: (facts: CertificateFacts) => CertificateFacts;
}

interface SimulatedIdBlock {
  /** 48 bytes each; an author's digest switches AUTHOR_KEY_EN on. */
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest?: Uint8Array;
  readonly guestSvn?: number;
  /** 16 bytes each. */
  readonly familyId?: Uint8Array;
  readonly imageId?: Uint8Array;
}

/**
 * Makes the roots of a deployment (a second or two) and keeps them in `folder`, readable for its
 * owner only; `simulatedRoots(folder)` reads the public half.
 */
export async function createSimulatedPlatform(
  folder: string,
  options: DeploymentOptions = {},
): Promise<SimulatedPlatform> {
  return platformOf(await createDeployment(folder, options));
}

/** @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID */
export async function loadSimulatedPlatform(folder: string): Promise<SimulatedPlatform> {
  return platformOf(await readDeployment(folder));
}

function platformOf(deployment: Deployment): SimulatedPlatform {
  return {
    launch: (options) => launch(deployment, options),
    revocationList: (product, options) => writeSimulatedList(deployment, product, options),
  };
}

function launch(deployment: Deployment, options: LaunchOptions): Platform {
  const product = options.product ?? 'Genoa';
  const signer = options.signer ?? 'vcek';
  const chipSeed = Buffer.from(deployment.chipSeed, 'base64url');
  const chipId = chipIdOf(chipSeed, product);
  const tcb = tcbsOf(product, options);
  const endorsementKey = endorsementKeyOf(chipSeed, signer, product, tcb.reported);
  const { notBefore, notAfter } = deployment;
  const facts = endorsementFacts({
    kind: signer,
    product,
    tcb: tcb.reported,
    chipId: options.otherChip ? chipIdOf(latin('another chip'), product) : chipId,
    publicKey: createPublicKey(endorsementKey),
    validity: options.expired
      ? { notBefore: notBefore - 2 * DAY_MS, notAfter: notBefore - DAY_MS }
      : { notBefore, notAfter },
  });
  const certificateChain = chainOf(
    deployment,
    product,
    signer,
    options.mutateLeaf?.(facts) ?? facts,
  );
  const launched = launchedReport(product, signer, chipId, tcb, options);
  return {
    name: 'simulated',
    quote: async (reportData): Promise<Quote> => {
      assert.equal(reportData.length, 64);
      const report = serializeReport(launched);
      if (!options.hostRequested) report.set(reportData, FIELDS.reportData[0]);
      report[0] = options.version ?? launched.version;
      options.mutate?.(report);
      // MASK_CHIP_KEY: firmware leaves the signature zero.
      const signed = options.masked === 'chip-key' ? report : signReport(report, endorsementKey);
      return { report: signed, certificateChain };
    },
  };
}

function chainOf(
  deployment: Deployment,
  product: Product,
  signer: 'vcek' | 'vlek',
  facts: CertificateFacts,
): string {
  const authorities = deployment.products[product];
  const issuer = signer === 'vcek' ? authorities?.ask : authorities?.asvk;
  if (!authorities || !issuer) {
    throw new StrongroomError('ERR_CONFIG_INVALID', { product, signer });
  }
  const leaf = toPem(writeEndorsement(facts, createPrivateKey(issuer.privateKey)));
  return leaf + issuer.certificate + authorities.ark.certificate;
}

/** Versions that are beyond the floors of every advisory known when this was written. */
const TCB_OF = {
  Milan: { fmc: null, bootLoader: 4, tee: 0, snp: 29, microcode: 222 },
  Genoa: { fmc: null, bootLoader: 10, tee: 0, snp: 28, microcode: 86 },
  Turin: { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 },
} as const satisfies Record<Product, Tcb>;

const CPU_OF = {
  Milan: { family: 0x19, model: 0x01, stepping: 0x01 },
  Genoa: { family: 0x19, model: 0x11, stepping: 0x01 },
  Turin: { family: 0x1a, model: 0x02, stepping: 0x01 },
} as const satisfies Record<Product, NonNullable<SnpReport['cpu']>>;

const FIRMWARE: Firmware = { major: 1, minor: 55, build: 54 };
/** SMT, ECC, alias check complete. */
const PLATFORM_INFO = 0x25n;
/** Bit 17 is reserved and one, bit 16 allows SMT. */
const GUEST_POLICY = 0x30000n;
const DEBUG_BIT = 1n << 19n;
const DAY_MS = 24 * 3_600_000;
const HOST_VMPL = 0xffffffff;

function tcbsOf(product: Product, options: LaunchOptions): Record<TcbName, Tcb> {
  const one = (name: TcbName): Tcb => ({ ...TCB_OF[product], ...options.tcb?.[name] });
  return {
    current: one('current'),
    committed: one('committed'),
    reported: one('reported'),
    launch: one('launch'),
  };
}

function launchedReport(
  product: Product,
  signer: 'vcek' | 'vlek',
  chipId: Uint8Array,
  tcb: Record<TcbName, Tcb>,
  options: LaunchOptions,
): SnpReport {
  const version = options.version === 4 ? 3 : (options.version ?? 3);
  const guestPolicy = options.guestPolicy ?? GUEST_POLICY;
  const { idBlock } = options;
  const author = idBlock?.authorKeyDigest;
  const masked = options.masked === 'chip-id' || signer === 'vlek';
  return {
    version,
    guestSvn: idBlock?.guestSvn ?? 0,
    policy: options.debug ? guestPolicy | DEBUG_BIT : guestPolicy,
    familyId: idBlock?.familyId ?? new Uint8Array(16),
    imageId: idBlock?.imageId ?? new Uint8Array(16),
    vmpl: options.hostRequested ? HOST_VMPL : (options.vmpl ?? 0),
    currentTcb: serializeTcb(tcb.current, product),
    platformInfo: options.platformInfo ?? PLATFORM_INFO,
    keyInfo: keyInfoOf(options, signer),
    reportData: new Uint8Array(64),
    measurement: launchDigest(options.image),
    hostData: options.hostData,
    idKeyDigest: idBlock?.idKeyDigest ?? new Uint8Array(48),
    authorKeyDigest: author ?? new Uint8Array(48),
    reportId: new Uint8Array(randomBytes(32)),
    reportIdMa: options.migrationAgent ?? new Uint8Array(32).fill(0xff),
    reportedTcb: serializeTcb(tcb.reported, product),
    cpu: version === 2 ? null : (options.cpu ?? CPU_OF[product]),
    chipId: masked ? new Uint8Array(64) : chipId,
    committedTcb: serializeTcb(tcb.committed, product),
    currentFirmware: options.firmware?.current ?? FIRMWARE,
    committedFirmware: options.firmware?.committed ?? FIRMWARE,
    launchTcb: serializeTcb(tcb.launch, product),
    mitigations: version === 5 ? (options.mitigations ?? MITIGATIONS) : null,
    signature: { r: new Uint8Array(48), s: new Uint8Array(48) },
  };
}

const MITIGATIONS = { launch: 0x3fn, current: 0x3fn };

/** Bit 0 author key, bit 1 masked chip key, bits 4:2 signing key. */
function keyInfoOf(options: LaunchOptions, signer: 'vcek' | 'vlek'): number {
  const author = options.idBlock?.authorKeyDigest ? 1 : 0;
  const masked = options.masked === 'chip-key' ? 2 : 0;
  return author | masked | (signer === 'vlek' ? 1 << 2 : 0);
}

/** ECDSA over the first 672 bytes; r and s go in with their bytes reversed. */
function signReport(
  report: Uint8Array,
  endorsementKey: ReturnType<typeof endorsementKeyOf>,
): Uint8Array {
  const signature = sign('sha384', report.subarray(0, SIGNED_BYTES), {
    key: endorsementKey,
    dsaEncoding: 'ieee-p1363',
  });
  report.set(signature.subarray(0, 48).reverse(), FIELDS.signatureR[0]);
  report.set(signature.subarray(48).reverse(), FIELDS.signatureS[0]);
  return report;
}
