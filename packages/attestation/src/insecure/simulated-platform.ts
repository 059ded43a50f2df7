import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Platform, Quote } from '../platforms/platform.ts';
import { type Firmware, SIGNED_BYTES, type SnpReport, serializeReport } from '../report.ts';
import { FIELDS, type ReportVersion } from '../snp/layout.ts';
import { type Product, serializeTcb, type Tcb } from '../snp/tcb.ts';
import { toPem } from '../x509/pem.ts';
import type { CertificateFacts } from '../x509/write-certificate.ts';
import { endorsementFacts, writeEndorsement } from './certificates.ts';
import { chipIdOf, endorsementKeyOf } from './chip.ts';
import {
  createDeployment,
  type Deployment,
  type DeploymentOptions,
  readDeployment,
} from './deployment.ts';
import { launchDigest } from './image.ts';

/**
 * A platform without hardware: reports that are byte for byte what firmware makes, signed under a
 * root of its own. The verifying path is the same; only the root set differs. Proves nothing.
 */
export interface SimulatedPlatform {
  launch(options: LaunchOptions): Platform;
}

type TcbName = 'current' | 'committed' | 'reported' | 'launch';

export interface LaunchOptions {
  /** What is launched: parts of any length, measured page by page. */
  readonly image: readonly Uint8Array[];
  /** 32 bytes, unchangeable after the launch; the contract's id. */
  readonly hostData: Uint8Array;
  readonly product?: Product;
  readonly version?: ReportVersion;
  readonly vmpl?: number;
  readonly debug?: boolean;
  readonly signer?: 'vcek' | 'vlek';
  readonly tcb?: Partial<Record<TcbName, Partial<Tcb>>>;
  readonly firmware?: { readonly current?: Firmware; readonly committed?: Firmware };
  readonly platformInfo?: bigint;
  /** For tests: changes the report's bytes before they are signed. */
  readonly mutate?: (report: Uint8Array) => void;
  /** For tests: changes what the endorsement certificate says before it is signed. */
  readonly mutateLeaf?: (facts: CertificateFacts) => CertificateFacts;
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
  return { launch: (options) => launch(deployment, options) };
}

function launch(deployment: Deployment, options: LaunchOptions): Platform {
  const product = options.product ?? 'Genoa';
  const signer = options.signer ?? 'vcek';
  const chipSeed = Buffer.from(deployment.chipSeed, 'base64url');
  const chipId = chipIdOf(chipSeed, product);
  const tcb = tcbsOf(product, options);
  const endorsementKey = endorsementKeyOf(chipSeed, signer, product, tcb.reported);
  const facts = endorsementFacts({
    kind: signer,
    product,
    tcb: tcb.reported,
    chipId,
    publicKey: createPublicKey(endorsementKey),
    validity: { notBefore: deployment.notBefore, notAfter: deployment.notAfter },
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
      const report = serializeReport({ ...launched, reportData });
      options.mutate?.(report);
      return { report: signReport(report, endorsementKey), certificateChain };
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
  const version = options.version ?? 3;
  return {
    version,
    guestSvn: 0,
    policy: options.debug ? GUEST_POLICY | DEBUG_BIT : GUEST_POLICY,
    familyId: new Uint8Array(16),
    imageId: new Uint8Array(16),
    vmpl: options.vmpl ?? 0,
    currentTcb: serializeTcb(tcb.current, product),
    platformInfo: options.platformInfo ?? PLATFORM_INFO,
    keyInfo: signer === 'vlek' ? 1 << 2 : 0,
    reportData: new Uint8Array(64),
    measurement: launchDigest(options.image),
    hostData: options.hostData,
    idKeyDigest: new Uint8Array(48),
    authorKeyDigest: new Uint8Array(48),
    reportId: new Uint8Array(randomBytes(32)),
    reportIdMa: new Uint8Array(32).fill(0xff),
    reportedTcb: serializeTcb(tcb.reported, product),
    cpu: version === 2 ? null : CPU_OF[product],
    chipId: signer === 'vlek' ? new Uint8Array(64) : chipId,
    committedTcb: serializeTcb(tcb.committed, product),
    currentFirmware: options.firmware?.current ?? FIRMWARE,
    committedFirmware: options.firmware?.committed ?? FIRMWARE,
    launchTcb: serializeTcb(tcb.launch, product),
    mitigations: version === 5 ? { launch: 0x3fn, current: 0x3fn } : null,
    signature: { r: new Uint8Array(48), s: new Uint8Array(48) },
  };
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
