import { SIMULATED_MARKER } from '@strongroom/attestation/roots';
import { EXTENSIONS } from '@strongroom/attestation/snp/endorsement';
import { type Certificate, parseCertificate } from '@strongroom/attestation/x509/certificate';
import { beforeAll, describe, expect, test } from 'vitest';
import { authoritiesOf, hasFixtures, leafOf, pemOf } from './attestation-fixtures.ts';
import { derOf, type Simulated, simulated, splitChain } from './attestation-simulated.ts';

/** A simulated chain has the form of AMD's: what differs are values, and the one marker. */

let sim: Simulated;
beforeAll(async () => {
  sim = await simulated();
}, 60_000);

const GOLDEN = 'tee-attestation-verification';
const CHAINS = [
  ['Milan', 'vcek', `${GOLDEN}/milan_vcek.pem`],
  ['Genoa', 'vcek', `${GOLDEN}/genoa_vcek.pem`],
  ['Turin', 'vcek', `${GOLDEN}/turin_vcek.pem`],
  ['Milan', 'vlek', 'trustee/snp/test-vlek.der'],
] as const;

/** The raw chip id begins with whatever the chip's number begins with. */
function tagOf(type: string, value: Uint8Array): string {
  return type === EXTENSIONS.hardwareId ? `${value.length} bytes` : `tag ${value[0]}`;
}

function formOf(certificate: Certificate): object {
  const extensions = [...certificate.extensions]
    .filter(([type]) => type !== SIMULATED_MARKER)
    .map(([type, { critical, value }]) => [type, critical, tagOf(type, value)].join(' '));
  return {
    subject: certificate.subject.map(([attribute]) => attribute),
    issuer: certificate.issuer.map(([attribute]) => attribute),
    publicKeyBytes: certificate.spki.length,
    signatureBytes: certificate.signature.length,
    extensions: extensions.sort(),
  };
}

describe.runIf(hasFixtures)('the form of a simulated chain', () => {
  test.each(CHAINS)('%s, %s: is that of a real one', async (product, signer, path) => {
    const evidence = await sim.evidenceFor({ product, signer });
    const made = splitChain(evidence.certificateChain).map((pem) => parseCertificate(derOf(pem)));
    const [ask = '', ark = '', asvk = ''] = splitChain(authoritiesOf(product));
    const authorities = [signer === 'vcek' ? ask : asvk, ark];
    const real = [pemOf(leafOf(path)), ...authorities].map((pem) => parseCertificate(derOf(pem)));
    expect(made.map(formOf)).toEqual(real.map(formOf));
    expect(made[0]?.serial).toEqual(real[0]?.serial);
    expect(made.every((each) => each.extensions.has(SIMULATED_MARKER))).toBe(true);
    expect(real.some((each) => each.extensions.has(SIMULATED_MARKER))).toBe(false);
  });
});
