import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { codeOf } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { authoritiesOf, hasFixtures, leafOf, pemOf, reportOf } from './attestation-fixtures.ts';

const GOLDEN = 'tee-attestation-verification';
/** One product of three unless the run may be long: each takes seven seconds. */
const LONG = process.env['STRONGROOM_LONG'] === '1';
const clock = { now: () => Date.parse('2026-03-01T00:00:00Z') };

describe.runIf(hasFixtures)('16: a genuine report', () => {
  test.each(LONG ? ['Milan', 'Genoa', 'Turin'] : ['Genoa'])(
    'of %s is refused with any one of its 9,472 bits changed',
    (product) => {
      const name = `${GOLDEN}/${product.toLowerCase()}`;
      const report = reportOf(`${name}_attestation_report.bin`);
      const certificateChain = pemOf(leafOf(`${name}_vcek.pem`)) + authoritiesOf(product);
      const codeFor = (bytes: Uint8Array): string => {
        const encoded = Buffer.from(bytes).toString('base64url');
        try {
          const evidence = { report: encoded, certificateChain, runtimeClaims: '' };
          verifyEvidence(evidence, { roots: AMD_ROOTS, clock });
          return 'accepted';
        } catch (error) {
          return codeOf(error) ?? `not one of our errors: ${error}`;
        }
      };
      expect(codeFor(report)).toBe('accepted');
      const counts: Record<string, number> = {};
      for (let bit = 0; bit < 8 * report.length; bit += 1) {
        const flipped = report.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const code = codeFor(flipped);
        counts[code] = (counts[code] ?? 0) + 1;
      }
      expect(Object.keys(counts).sort()).toEqual([
        'ERR_CERTIFICATE_CHAIN',
        'ERR_REPORT_MALFORMED',
        'ERR_REPORT_SIGNATURE',
      ]);
      expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(9_472);
    },
  );
});
