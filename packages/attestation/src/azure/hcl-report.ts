import { createHash } from 'node:crypto';
import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import { repeatedMember } from '../release-policy/repeated-member.ts';
import { parseReport, REPORT_BYTES, type SnpReport } from '../report.ts';
import { sameBytes } from '../x509/certificate.ts';

/**
 * What the paravisor of an Azure confidential VM (HCL, OpenHCL) leaves in the virtual TPM: the
 * report that it took at boot, and the runtime data whose hash is the report's REPORT_DATA. The
 * layout is that of OpenHCL's `attestation report` structures; integers are little-endian.
 */
export interface HclReport {
  /** 1184 bytes; genuine only when its signature was verified. */
  readonly report: Uint8Array;
  readonly fields: SnpReport;
  /** JSON, byte for byte; its hash is the first half of REPORT_DATA. */
  readonly runtimeData: Uint8Array;
}

/** The NV index is 2600 bytes long, older ones 2048. */
export const HCL_REPORT_BYTES_MAX = 8_192;

/** "HCLA". */
const SIGNATURE = 0x48434c41;
const HEADER_BYTES = 0x20;
const REPORT_TYPE_SNP = 2;
const RUNTIME_AT = HEADER_BYTES + REPORT_BYTES;
const RUNTIME_HEADER_BYTES = 20;
/** 1 was seen on Milan, 2 on Genoa. */
const HEADER_VERSIONS = [1, 2];
const HASHES: Readonly<Record<number, string>> = { 1: 'sha256', 2: 'sha384', 3: 'sha512' };

/**
 * Reads the blob; the runtime data is handed out only when the report binds it.
 * @throws ERR_EVIDENCE_MALFORMED with `check: hcl-…`, ERR_REPORT_MALFORMED,
 * ERR_REPORT_DATA_MISMATCH when the hash is another
 */
export function parseHclReport(blob: Uint8Array): HclReport {
  if (blob.length > HCL_REPORT_BYTES_MAX || blob.length < RUNTIME_AT + RUNTIME_HEADER_BYTES) {
    throw malformed('hcl-length', { found: blob.length });
  }
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  checkHeader(blob, view);
  const { hash, bytes } = readRuntimeHeader(view, blob.length);
  const end = RUNTIME_AT + RUNTIME_HEADER_BYTES + bytes;
  const runtimeData = blob.slice(RUNTIME_AT + RUNTIME_HEADER_BYTES, end);
  if (blob.subarray(end).some((byte) => byte !== 0)) throw malformed('hcl-tail');
  const report = blob.slice(HEADER_BYTES, RUNTIME_AT);
  const fields = parseReport(report);
  checkBinding(fields.reportData, runtimeData, hash);
  return { report, fields, runtimeData };
}

/** The blob in which a report and its runtime data, bound by SHA-256, lie in the NV index. */
export function writeHclReport(report: Uint8Array, runtimeData: Uint8Array): Uint8Array {
  const blob = new Uint8Array(RUNTIME_AT + RUNTIME_HEADER_BYTES + runtimeData.length);
  const view = new DataView(blob.buffer);
  const size = RUNTIME_HEADER_BYTES + runtimeData.length;
  view.setUint32(0, SIGNATURE, false);
  view.setUint32(4, 2, true);
  view.setUint32(8, REPORT_BYTES + HEADER_BYTES + size, true);
  view.setUint32(12, REPORT_TYPE_SNP, true);
  blob.set(report, HEADER_BYTES);
  for (const [index, value] of [size, 1, REPORT_TYPE_SNP, 1, runtimeData.length].entries()) {
    view.setUint32(RUNTIME_AT + index * 4, value, true);
  }
  blob.set(runtimeData, RUNTIME_AT + RUNTIME_HEADER_BYTES);
  return blob;
}

/** "HCLA", version, size of report and runtime data, request type, status, 12 reserved bytes. */
function checkHeader(blob: Uint8Array, view: DataView): void {
  if (view.getUint32(0, false) !== SIGNATURE) throw malformed('hcl-signature');
  if (!HEADER_VERSIONS.includes(view.getUint32(4, true))) throw malformed('hcl-version');
  if (view.getUint32(12, true) !== REPORT_TYPE_SNP) throw malformed('hcl-request-type');
  if (view.getUint32(16, true) !== 0) throw malformed('hcl-status');
  if (blob.subarray(20, HEADER_BYTES).some((byte) => byte !== 0)) throw malformed('hcl-reserved');
}

/** Data size (header and JSON), version, report type, hash type, size of the JSON. */
function readRuntimeHeader(view: DataView, length: number): { hash: string; bytes: number } {
  const at = RUNTIME_AT;
  const type = view.getUint32(at + 8, true);
  if (type !== REPORT_TYPE_SNP) throw malformed('hcl-report-type', { found: type });
  if (view.getUint32(at + 4, true) !== 1) throw malformed('hcl-runtime-version');
  const hash = HASHES[view.getUint32(at + 12, true)];
  if (hash === undefined) throw malformed('hcl-hash-type');
  const size = view.getUint32(at, true);
  const bytes = view.getUint32(at + 16, true);
  const whole = HEADER_BYTES + REPORT_BYTES + size;
  if (size !== bytes + RUNTIME_HEADER_BYTES || whole > length) throw malformed('hcl-size');
  // The header's own size leaves its 32 bytes out.
  if (view.getUint32(8, true) !== REPORT_BYTES + HEADER_BYTES + size) throw malformed('hcl-size');
  return { hash, bytes };
}

/** All 64 bytes: what the hash does not fill must be zero. */
function checkBinding(reportData: Uint8Array, runtimeData: Uint8Array, hash: string): void {
  const bound = new Uint8Array(64);
  bound.set(createHash(hash).update(runtimeData).digest());
  if (!sameBytes(bound, reportData)) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH', { check: 'hcl-runtime-data' });
  }
}

/** What the paravisor says about the VM; its words, bound by the hardware's signature. */
export interface HclRuntimeData {
  /** Public part of the TPM's attestation key: base64url of modulus and exponent. */
  readonly attestationKey: { readonly n: string; readonly e: string };
  /** 64 bytes that the guest wrote before the report was taken; none where it wrote none. */
  readonly userData: Uint8Array;
  readonly secureBoot: boolean | null;
}

/**
 * @param bound `runtimeData` of a parsed HCL report: JSON is read only after its hash matched
 * @throws ERR_EVIDENCE_MALFORMED with `check: hcl-runtime-…`
 */
export function parseHclRuntimeData({
  runtimeData,
}: Pick<HclReport, 'runtimeData'>): HclRuntimeData {
  const members = parseObject(runtimeData);
  return {
    attestationKey: readAttestationKey(members['keys']),
    userData: readUserData(members['user-data']),
    secureBoot: readSecureBoot(members['vm-configuration']),
  };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
    // Two readers of one text must not see two keys.
    if (repeatedMember(text) !== undefined) throw new SyntaxError('repeated member');
  } catch {
    throw malformed('hcl-runtime-json');
  }
  if (!isRecord(value)) throw malformed('hcl-runtime-json');
  return value;
}

function readAttestationKey(list: unknown): HclRuntimeData['attestationKey'] {
  const all = Array.isArray(list) ? list.filter(isRecord) : [];
  const named = all.filter((each) => each['kid'] === 'HCLAkPub');
  const [found] = named;
  if (!found || named.length !== 1) throw malformed('hcl-runtime-keys');
  const { kty, n, e } = found;
  if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') {
    throw malformed('hcl-runtime-keys');
  }
  return { n, e };
}

function readUserData(text: unknown): Uint8Array {
  if (text === undefined || text === '') return new Uint8Array(0);
  // 64 bytes, upper case.
  if (typeof text !== 'string' || !/^[0-9A-F]{128}$/.test(text)) {
    throw malformed('hcl-runtime-user-data');
  }
  return new Uint8Array(Buffer.from(text, 'hex'));
}

function readSecureBoot(configuration: unknown): boolean | null {
  const value = isRecord(configuration) ? configuration['secure-boot'] : undefined;
  return typeof value === 'boolean' ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(check: string, more: ErrorFacts = {}): StrongroomError {
  return new StrongroomError('ERR_EVIDENCE_MALFORMED', { check, ...more });
}
