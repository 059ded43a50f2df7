import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { writeHclReport } from '@strongroom/attestation/azure/hcl-report';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import type { RunProgram } from '@strongroom/attestation/platforms/run-program';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * The virtual TPM of an Azure confidential VM as the tpm2-tools show it: NV indices, an attestation
 * key, PCRs, and a paravisor that takes a new report when the guest wrote 64 bytes.
 */
export interface VirtualTpmOptions {
  /** Signs the reports inside of the HCL blob. */
  readonly guest: Platform;
  /** Reads of the report that still give an older one. */
  readonly staleReads?: number;
  /** The paravisor ignores what the guest writes. */
  readonly deaf?: boolean;
  /** The quote is made by another key than the report binds. */
  readonly foreignKey?: boolean;
  /** The quote covers these PCRs, whatever was asked for. */
  readonly selection?: readonly number[];
  /** Programs that fail. */
  readonly missing?: readonly string[];
}

export interface VirtualTpm {
  readonly run: RunProgram;
  readonly calls: readonly string[];
}

const PCRS = Array.from({ length: 24 }, (_, index) =>
  createHash('sha256').update(`pcr ${index}`).digest(),
);

export function createVirtualTpm(options: VirtualTpmOptions): VirtualTpm {
  const attestationKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const calls: string[] = [];
  let defined = false;
  let userData = new Uint8Array(64);
  let before = userData;
  let staleReads = options.staleReads ?? 0;

  const write = async (args: readonly string[]) => {
    if (!defined) throw failure();
    const path = args[args.indexOf('-i') + 1] ?? '';
    before = userData;
    if (!options.deaf) userData = new Uint8Array(await readFile(path));
    return new Uint8Array();
  };
  const read = async (index: string | undefined) => {
    if (index !== '0x01400001') throw failure();
    staleReads -= 1;
    return hclBlob(options.guest, attestationKey.publicKey, staleReads >= 0 ? before : userData);
  };
  const quote = async (args: readonly string[]) => {
    const after = (flag: string) => args[args.indexOf(flag) + 1] ?? '';
    const asked = after('-l').replace('sha256:', '').split(',').map(Number);
    const nonce = Buffer.from(after('-q'), 'hex');
    const message = attestOf(nonce, options.selection ?? asked);
    const { privateKey } = options.foreignKey ? other : attestationKey;
    await writeFile(after('-m'), message);
    await writeFile(after('-s'), sign('sha256', message, privateKey));
    await writeFile(after('-o'), Buffer.concat(PCRS));
    return new Uint8Array();
  };
  const run: RunProgram = async (program, args) => {
    calls.push([program, args.at(-1)].join(' '));
    if (options.missing?.includes(program)) throw failure();
    if (program === 'tpm2_nvwrite') return write(args);
    if (program === 'tpm2_nvread') return read(args.at(-1));
    if (program === 'tpm2_quote') return quote(args);
    defined ||= program === 'tpm2_nvdefine';
    return new Uint8Array();
  };
  return { run, calls };
}

/** Header, report, runtime data, and zeros up to the size of the index. */
async function hclBlob(guest: Platform, publicKey: KeyObject, userData: Uint8Array) {
  const { n, e } = publicKey.export({ format: 'jwk' });
  const runtime = Buffer.from(
    JSON.stringify({
      keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
      'vm-configuration': { 'secure-boot': true, 'tpm-enabled': true },
      'user-data': Buffer.from(userData).toString('hex').toUpperCase(),
    }),
  );
  const reportData = new Uint8Array(64);
  reportData.set(createHash('sha256').update(runtime).digest());
  const { report } = await guest.quote(reportData);
  const blob = new Uint8Array(2_600);
  blob.set(writeHclReport(report, runtime));
  return blob;
}

/** TPMS_ATTEST of a quote. */
function attestOf(nonce: Uint8Array, selection: readonly number[]): Buffer {
  const bitmap = Buffer.alloc(3);
  for (const index of selection)
    bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  const digest = createHash('sha256');
  for (const index of selection.toSorted((a, b) => a - b)) digest.update(PCRS[index] ?? '');
  return Buffer.concat([
    Buffer.from('ff5443478018', 'hex'),
    sized(Buffer.alloc(34, 0x0b)),
    sized(nonce),
    Buffer.alloc(25),
    Buffer.from('00000001000b03', 'hex'),
    bitmap,
    sized(digest.digest()),
  ]);
}

function sized(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** As `runProgram` reports a tool that ended with an error. */
function failure(): StrongroomError {
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check: 'program-failed' });
}
