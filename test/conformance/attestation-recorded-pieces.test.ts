import { parseHclReport, parseHclRuntimeData } from '@strongroom/attestation/azure/hcl-report';
import { parseSecurityContext } from '@strongroom/attestation/azure/security-context';
import { ALL_PCRS, bareSignature, verifyTpmQuote } from '@strongroom/attestation/azure/tpm-quote';
import { parseKeySet } from '@strongroom/attestation/jwks';
import { parseReport } from '@strongroom/attestation/report';
import { describe, expect, test } from 'vitest';
import {
  authoritiesOf,
  bytesOf,
  firstCertificate,
  hasFixtures,
  pemOf,
  reportOf,
  textOf,
} from './attestation-fixtures.ts';

/** Recorded pieces that are part of no whole evidence, each against what its list says of it. */

describe.runIf(hasFixtures)('a recorded', () => {
  test.each([
    ['Milan', 'tee-attestation-verification/milan_ask.pem'],
    ['Genoa', 'tee-attestation-verification/genoa_ask.pem'],
    ['Turin', 'tee-attestation-verification/turin_ask.pem'],
    ['Milan', 'attestation-rs/az_snp/imds-chain-0.der'],
    ['Milan', 'attestation-rs/az_snp/imds-chain-1.der'],
  ])('authority of %s is the one that AMD publishes: %s', (product, file) => {
    expect(authoritiesOf(product)).toContain(pemOf(firstCertificate(bytesOf(file))));
  });

  test.each([
    ['eus2', ['RSA', 342]],
    // The key of a service's enclave: 1024 bits.
    ['sample', 'rsa-modulus'],
    ['uksouth', 'no-key'],
  ])('certificate of the service %s gives %j', (service, expected) => {
    const certificate = textOf(`azure-samples-maa/${service}.signing.cert.cer`);
    const entry = { kty: 'RSA', kid: service, x5c: [certificate] };
    const { keys, skipped } = parseKeySet(JSON.stringify({ keys: [entry] }));
    const read = keys.map((each) => [each.kty, each.kty === 'RSA' ? each.n.length : 0]);
    expect(read[0] ?? skipped[0]?.reason).toEqual(expected);
  });

  test('policy of a container group has the hash that its report holds', () => {
    const lines = textOf('azure-cleanroom/caci-values.txt').split('\n');
    const value = (name: string) =>
      lines
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2)
        .trim() ?? '';
    const { hostData } = parseSecurityContext({ securityPolicy: value('ccepolicy') });
    expect(Buffer.from(hostData).toString('hex')).toBe(value('hostdata'));
    const report = reportOf('azure-cleanroom/caci-encryption.attestation.json#attestation');
    expect(Buffer.from(hostData)).toEqual(Buffer.from(parseReport(report).hostData));
  });

  test('quote in one file is by the key that the report binds, over these PCRs', () => {
    const packed = Buffer.from(bytesOf('trustee/az-snp-vtpm/quote.bin'));
    const signatureEnds = 8 + Number(packed.readBigUInt64LE(0));
    const messageAt = signatureEnds + 8;
    const messageEnds = messageAt + Number(packed.readBigUInt64LE(signatureEnds));
    const message = new Uint8Array(packed.subarray(messageAt, messageEnds));
    const signature = new Uint8Array(packed.subarray(8, signatureEnds));
    const hcl = parseHclReport(bytesOf('trustee/az-snp-vtpm/hcl-report.bin'));
    const { attestationKey } = parseHclRuntimeData(hcl);
    const pcrs = ALL_PCRS.map((index) => {
      const at = packed.length - 32 * (ALL_PCRS.length - index);
      return new Uint8Array(packed.subarray(at, at + 32));
    });
    const demand = { attestationKey, selection: ALL_PCRS, pcrs };
    const { nonce } = verifyTpmQuote(message, bareSignature(signature), demand);
    expect(Buffer.from(nonce).toString()).toBe('challenge');
  });
});
