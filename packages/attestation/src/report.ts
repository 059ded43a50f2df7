import assert from 'node:assert/strict';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  FIELDS,
  REPORT_BYTES,
  REPORT_VERSIONS,
  type ReportVersion,
  reservedSpans,
  type Span,
} from './snp/layout.ts';
import { parseKeyInfo, parsePolicy } from './snp/policy.ts';

export { REPORT_BYTES, SIGNED_BYTES } from './snp/layout.ts';

/** A report's fields as they stand in its bytes; a TCB needs the product to be read. */
export interface SnpReport {
  readonly version: ReportVersion;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  readonly vmpl: number;
  readonly currentTcb: Uint8Array;
  readonly platformInfo: bigint;
  readonly keyInfo: number;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  readonly reportIdMa: Uint8Array;
  readonly reportedTcb: Uint8Array;
  /** Absent in version 2. */
  readonly cpu: {
    readonly family: number;
    readonly model: number;
    readonly stepping: number;
  } | null;
  readonly chipId: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly currentFirmware: Firmware;
  readonly committedFirmware: Firmware;
  readonly launchTcb: Uint8Array;
  /** Absent before version 5: unknown, not "none". */
  readonly mitigations: { readonly launch: bigint; readonly current: bigint } | null;
  /** r and s of the ECDSA signature as the report holds them: 48 bytes, little-endian. */
  readonly signature: { readonly r: Uint8Array; readonly s: Uint8Array };
}

export interface Firmware {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/**
 * Reads 1184 bytes of a known version; every reserved byte must be zero.
 * @throws ERR_REPORT_MALFORMED with `check`: length, version, signature-algorithm, reserved,
 * policy-form or key-info
 */
export function parseReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== REPORT_BYTES) throw malformed('length', { found: bytes.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = readVersion(view);
  if (u32(view, FIELDS.signatureAlgorithm) !== 1) throw malformed('signature-algorithm');
  checkReserved(bytes, version);
  const policy = u64(view, FIELDS.policy);
  if (!parsePolicy(policy)) throw malformed('policy-form');
  const keyInfo = u32(view, FIELDS.keyInfo);
  if (!parseKeyInfo(keyInfo)) throw malformed('key-info');
  return readFields(bytes, view, { version, policy, keyInfo });
}

function readVersion(view: DataView): ReportVersion {
  const found = u32(view, FIELDS.version);
  const version = REPORT_VERSIONS.find((known) => known === found);
  // An unknown version is never read with the newest known layout.
  if (version === undefined) throw malformed('version', { found });
  return version;
}

function checkReserved(bytes: Uint8Array, version: ReportVersion): void {
  for (const [offset, length] of reservedSpans(version)) {
    const at = bytes.subarray(offset, offset + length).findIndex((byte) => byte !== 0);
    if (at !== -1) throw malformed('reserved', { offset: offset + at });
  }
}

function readFields(
  bytes: Uint8Array,
  view: DataView,
  known: Pick<SnpReport, 'version' | 'policy' | 'keyInfo'>,
): SnpReport {
  const slice = ([offset, length]: Span) => bytes.slice(offset, offset + length);
  return {
    ...known,
    guestSvn: u32(view, FIELDS.guestSvn),
    familyId: slice(FIELDS.familyId),
    imageId: slice(FIELDS.imageId),
    vmpl: u32(view, FIELDS.vmpl),
    currentTcb: slice(FIELDS.currentTcb),
    platformInfo: u64(view, FIELDS.platformInfo),
    reportData: slice(FIELDS.reportData),
    measurement: slice(FIELDS.measurement),
    hostData: slice(FIELDS.hostData),
    idKeyDigest: slice(FIELDS.idKeyDigest),
    authorKeyDigest: slice(FIELDS.authorKeyDigest),
    reportId: slice(FIELDS.reportId),
    reportIdMa: slice(FIELDS.reportIdMa),
    reportedTcb: slice(FIELDS.reportedTcb),
    cpu: known.version === 2 ? null : readCpu(view),
    chipId: slice(FIELDS.chipId),
    committedTcb: slice(FIELDS.committedTcb),
    currentFirmware: readFirmware(view, FIELDS.currentFirmware),
    committedFirmware: readFirmware(view, FIELDS.committedFirmware),
    launchTcb: slice(FIELDS.launchTcb),
    mitigations: known.version === 5 ? readMitigations(view) : null,
    signature: { r: slice(FIELDS.signatureR), s: slice(FIELDS.signatureS) },
  };
}

function readCpu(view: DataView): NonNullable<SnpReport['cpu']> {
  return {
    family: view.getUint8(FIELDS.cpuFamily[0]),
    model: view.getUint8(FIELDS.cpuModel[0]),
    stepping: view.getUint8(FIELDS.cpuStepping[0]),
  };
}

function readMitigations(view: DataView): NonNullable<SnpReport['mitigations']> {
  return {
    launch: u64(view, FIELDS.launchMitigations),
    current: u64(view, FIELDS.currentMitigations),
  };
}

/** The bytes run build, minor, major. */
function readFirmware(view: DataView, [offset]: Span): Firmware {
  return {
    build: view.getUint8(offset),
    minor: view.getUint8(offset + 1),
    major: view.getUint8(offset + 2),
  };
}

/** The exact inverse of parseReport; verification still uses the bytes that were received. */
export function serializeReport(report: SnpReport): Uint8Array {
  const bytes = new Uint8Array(REPORT_BYTES);
  const view = new DataView(bytes.buffer);
  const put = ([offset, length]: Span, value: Uint8Array) =>
    bytes.set(exactly(value, length), offset);
  view.setUint32(FIELDS.version[0], report.version, true);
  view.setUint32(FIELDS.guestSvn[0], report.guestSvn, true);
  view.setBigUint64(FIELDS.policy[0], report.policy, true);
  view.setUint32(FIELDS.vmpl[0], report.vmpl, true);
  view.setUint32(FIELDS.signatureAlgorithm[0], 1, true);
  view.setBigUint64(FIELDS.platformInfo[0], report.platformInfo, true);
  view.setUint32(FIELDS.keyInfo[0], report.keyInfo, true);
  for (const name of BYTE_FIELDS) put(FIELDS[name], report[name]);
  if (report.cpu) bytes.set([report.cpu.family, report.cpu.model, report.cpu.stepping], 0x188);
  writeFirmware(bytes, FIELDS.currentFirmware, report.currentFirmware);
  writeFirmware(bytes, FIELDS.committedFirmware, report.committedFirmware);
  if (report.mitigations) {
    view.setBigUint64(FIELDS.launchMitigations[0], report.mitigations.launch, true);
    view.setBigUint64(FIELDS.currentMitigations[0], report.mitigations.current, true);
  }
  put(FIELDS.signatureR, report.signature.r);
  put(FIELDS.signatureS, report.signature.s);
  return bytes;
}

const BYTE_FIELDS = [
  'familyId',
  'imageId',
  'currentTcb',
  'reportData',
  'measurement',
  'hostData',
  'idKeyDigest',
  'authorKeyDigest',
  'reportId',
  'reportIdMa',
  'reportedTcb',
  'chipId',
  'committedTcb',
  'launchTcb',
] as const;

function writeFirmware(bytes: Uint8Array, [offset]: Span, firmware: Firmware): void {
  bytes.set([firmware.build, firmware.minor, firmware.major], offset);
}

function exactly(value: Uint8Array, length: number): Uint8Array {
  assert.equal(value.length, length);
  return value;
}

function u32(view: DataView, [offset]: Span): number {
  return view.getUint32(offset, true);
}

function u64(view: DataView, [offset]: Span): bigint {
  return view.getBigUint64(offset, true);
}

function malformed(check: string, more: Record<string, number> = {}): StrongroomError {
  return new StrongroomError('ERR_REPORT_MALFORMED', { check, ...more });
}
