import { vtpmEvidenceOf } from '@strongroom/attestation/azure/vtpm';
import type { Evidence } from '@strongroom/protocol/evidence';
import { z } from 'zod';
import {
  authoritiesOf,
  bytesOf,
  hasFixtures,
  indexedReports,
  leafOf,
  pemOf,
  textOf,
} from './attestation-fixtures.ts';

/** The recorded evidence of Azure's confidential VMs, from the four shapes in which it was kept. */
export interface RecordedVm {
  readonly name: string;
  readonly hclReport: Uint8Array;
  readonly quote: { readonly message: Uint8Array; readonly signature: Uint8Array };
  readonly pcrs: readonly Uint8Array[];
  readonly nonce: Uint8Array;
  readonly certificateChain?: string;
  readonly aikCertificate?: Uint8Array;
  readonly userData?: Uint8Array;
}

const numbers = z.array(z.int());
const ByteArraysSchema = z.looseObject({
  report: numbers,
  quote: z.looseObject({ message: numbers, signature: numbers, pcrs: z.array(numbers) }),
});
const QuoteTextsSchema = z.looseObject({
  message: z.string(),
  signature: z.string(),
  pcrs: z.array(z.string()),
});
const TextsSchema = z.looseObject({ hcl_report: z.string(), tpm_quote: QuoteTextsSchema });
const CleanroomSchema = z.looseObject({
  report: z.looseObject({
    snpCvm: z.looseObject({
      nonce: z.string(),
      platformCertificates: z.string(),
      evidence: z.looseObject({
        tpmQuote: z.string(),
        hclReport: z.string(),
        aikCert: z.string(),
        pcrs: z.record(z.string(), z.string()),
        runtimeClaims: z.looseObject({ 'user-data': z.string() }),
      }),
    }),
  }),
});

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
/** Some of the texts are base64url. */
const base64 = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const TRUSTEE = 'trustee/az-snp-vtpm';

export function azureVms(): RecordedVm[] {
  if (!hasFixtures) return [];
  const challenge = new Uint8Array(Buffer.from('challenge'));
  return [
    fromByteArrays(`${TRUSTEE}/evidence-v0.json`, challenge),
    fromTexts(`${TRUSTEE}/evidence-v1.json`, challenge),
    fromByteArrays(`${TRUSTEE}/evidence-genoa.json`),
    fromTexts('attestation-rs/az_snp/live-evidence.json'),
    fromRawBlob(challenge),
    fromCleanroom('azure-cleanroom/cvm-encryption.attestation.json'),
  ];
}

function fromByteArrays(name: string, nonce?: Uint8Array): RecordedVm {
  const { report, quote } = ByteArraysSchema.parse(JSON.parse(textOf(name)));
  const message = Uint8Array.from(quote.message);
  return {
    name,
    hclReport: Uint8Array.from(report),
    quote: { message, signature: Uint8Array.from(quote.signature) },
    pcrs: quote.pcrs.map((pcr) => Uint8Array.from(pcr)),
    nonce: nonce ?? nonceOf(message),
  };
}

function fromTexts(name: string, nonce?: Uint8Array): RecordedVm {
  const whole = z.looseObject({ evidence: z.unknown().optional() }).parse(JSON.parse(textOf(name)));
  const { hcl_report, tpm_quote } = TextsSchema.parse(whole.evidence ?? whole);
  const message = hex(tpm_quote.message);
  return {
    name,
    hclReport: base64(hcl_report),
    quote: { message, signature: hex(tpm_quote.signature) },
    pcrs: tpm_quote.pcrs.map(hex),
    nonce: nonce ?? nonceOf(message),
  };
}

function fromRawBlob(nonce: Uint8Array): RecordedVm {
  const quote: unknown = JSON.parse(textOf(`${TRUSTEE}/tpm-quote-v1.json`));
  const { message, signature, pcrs } = QuoteTextsSchema.parse(quote);
  return {
    name: `${TRUSTEE}/hcl-report.bin`,
    hclReport: bytesOf(`${TRUSTEE}/hcl-report.bin`),
    quote: { message: hex(message), signature: hex(signature) },
    pcrs: pcrs.map(hex),
    nonce,
    certificateChain: textOf(`${TRUSTEE}/vcek.pem`),
  };
}

/** Its quote is u16 length, TPMS_ATTEST, TPMT_SIGNATURE. */
function fromCleanroom(name: string): RecordedVm {
  const { report } = CleanroomSchema.parse(JSON.parse(textOf(name)));
  const { evidence, nonce, platformCertificates } = report.snpCvm;
  const packed = base64(evidence.tpmQuote);
  const end = 2 + ((packed[0] ?? 0) << 8) + (packed[1] ?? 0);
  const pcrs = Object.keys(evidence.pcrs).sort((left, right) => Number(left) - Number(right));
  return {
    name,
    hclReport: base64(evidence.hclReport),
    quote: { message: packed.slice(2, end), signature: packed.slice(end) },
    pcrs: pcrs.map((index) => base64(evidence.pcrs[index] ?? '')),
    nonce: base64(nonce),
    certificateChain: platformCertificates,
    aikCertificate: base64(evidence.aikCert),
    userData: hex(evidence.runtimeClaims['user-data']),
  };
}

/** For a recording that does not say what it was asked: extraData behind the signer's name. */
function nonceOf(message: Uint8Array): Uint8Array {
  const at = 8 + ((message[6] ?? 0) << 8) + (message[7] ?? 0);
  return message.slice(at + 2, at + 2 + (message[at + 1] ?? 0));
}

/** The recording as our evidence, with the certificates that the index says are its chip's. */
export function evidenceOfVm(vm: RecordedVm): Evidence {
  const found = indexedReports().find((each) => each.file.startsWith(vm.name));
  const [signer = ''] = found?.signer ?? [];
  return {
    report: Buffer.from(vm.hclReport.subarray(32, 32 + 1184)).toString('base64url'),
    certificateChain: pemOf(leafOf(signer)) + authoritiesOf(found?.gen ?? ''),
    runtimeClaims: Buffer.from('{}').toString('base64url'),
    vtpm: vtpmEvidenceOf(vm),
  };
}

/** A copy in which one byte is another; a negative place counts from the end. */
export function tampered(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const copy = bytes.slice();
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ mask;
  return copy;
}
