import { parseCoseSign1 } from '@strongroom/attestation/azure/cose-sign1';
import { parseHclReport } from '@strongroom/attestation/azure/hcl-report';
import { parseSecurityContext } from '@strongroom/attestation/azure/security-context';
import {
  isReady,
  readCombinedAnswer,
  readRawAnswer,
  readReleaseAnswer,
} from '@strongroom/attestation/azure/sidecar-answers';
import { bareSignature, parseTpmQuote } from '@strongroom/attestation/azure/tpm-quote';
import {
  CONFIDENTIAL_ACI_FEED,
  MICROSOFT_UVM_ISSUER,
  verifyUvmEndorsement,
} from '@strongroom/attestation/azure/uvm-endorsement';
import { checkAzureVmEvidence, trimToDer } from '@strongroom/attestation/azure/vm-evidence';
import { parseVcekUrl } from '@strongroom/attestation/endorsements/kds-url';
import { parseBundle } from '@strongroom/attestation/endorsements/stored-chain';
import { parseThimCertificates } from '@strongroom/attestation/endorsements/thim';
import { parseCertificateTable } from '@strongroom/attestation/snp/certificate-table';
import { codeOf } from '@strongroom/protocol/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, hasFixtures } from './attestation-fixtures.ts';
import { azureVms } from './azure-fixtures.ts';

/**
 * No parser of what a host or a network hands in may throw anything but a code, and each ends in
 * bounded time: on random bytes, and on real ones in which a few bytes are others.
 */

const RUNS = 400;
const ONE_INPUT_MS_MAX = 250;

const uvmDemand = {
  issuer: MICROSOFT_UVM_ISSUER,
  feed: CONFIDENTIAL_ACI_FEED,
  minimumSvn: 0,
  measurement: new Uint8Array(48),
};
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const answerOf = (bytes: Uint8Array) => ({ status: 200, text: text(bytes) });

const parsers: readonly (readonly [string, (bytes: Uint8Array) => unknown])[] = [
  ['HCL report', parseHclReport],
  ['TPM quote', parseTpmQuote],
  ['TPM signature', bareSignature],
  ['padded certificate', trimToDer],
  ['COSE', parseCoseSign1],
  ['UVM endorsement', (bytes) => verifyUvmEndorsement(bytes, uvmDemand)],
  ['certificate table', parseCertificateTable],
  ['THIM answer', (bytes) => parseThimCertificates(text(bytes))],
  ['bundle', (bytes) => parseBundle(text(bytes))],
  ['KDS address', (bytes) => parseVcekUrl(text(bytes))],
  ['security context', (bytes) => parseSecurityContext({ securityPolicy: text(bytes) })],
  ['sidecar status', (bytes) => isReady(answerOf(bytes))],
  ['sidecar report', (bytes) => readRawAnswer(answerOf(bytes), new Uint8Array(64))],
  ['sidecar evidence', (bytes) => readCombinedAnswer(answerOf(bytes), new Uint8Array(64))],
  ['sidecar release', (bytes) => readReleaseAnswer(answerOf(bytes))],
];

function endsWell(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  const before = performance.now();
  try {
    parse(bytes);
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
  }
  expect(performance.now() - before).toBeLessThan(ONE_INPUT_MS_MAX);
}

describe('random bytes', () => {
  test.each(parsers)('%s', (_name, parse) => {
    const bytes = fc.uint8Array({ maxLength: 6_000, size: 'max' });
    fc.assert(
      fc.property(bytes, (input) => endsWell(parse, input)),
      { numRuns: RUNS, seed: 3 },
    );
  });

  test.each([
    ['arrays in arrays', 0x81],
    ['maps in maps', 0xa1],
    ['tags in tags', 0xc1],
    ['a length that never ends', 0x9b],
  ])('CBOR of %s', (_name, byte) => {
    endsWell(parseCoseSign1, new Uint8Array(60_000).fill(byte));
  });
});

/** A few bytes of the input are others, or it ends early. */
function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
  return fc
    .tuple(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(bytes.length))
    .map(([changes, length]) => {
      const copy = bytes.slice(0, length % 3 === 0 ? length : bytes.length);
      for (const [at, mask] of changes) if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ mask;
      return copy;
    });
}

describe.runIf(hasFixtures)('real bytes, damaged', () => {
  const [vm] = azureVms();

  test('HCL report and quote: refused by a code, never taken', () => {
    if (!vm) return;
    const judge = (change: object) => {
      checkAzureVmEvidence({ ...vm, ...change }, { nonce: vm.nonce });
      throw new TypeError('it was taken');
    };
    const { message, signature } = vm.quote;
    fc.assert(
      fc.property(damaged(vm.hclReport), damaged(message), (hclReport, other) => {
        // Some of these changes cancel each other out.
        if (Buffer.compare(other, message) === 0) return;
        endsWell(() => judge({ quote: { message: other, signature } }), new Uint8Array());
        endsWell(() => parseHclReport(hclReport), new Uint8Array());
      }),
      { numRuns: RUNS, seed: 5 },
    );
  });

  test('UVM endorsement: nothing but codes', () => {
    const bytes = bytesOf('confidential-sidecar-containers/body.uvm_reference_info.bin');
    fc.assert(
      fc.property(damaged(bytes), (input) =>
        endsWell((each) => verifyUvmEndorsement(each, uvmDemand), input),
      ),
      { numRuns: RUNS, seed: 7 },
    );
  });
});
