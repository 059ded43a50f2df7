import { parseReport, serializeReport } from '@strongroom/attestation/report';
import { parseCertificateTable } from '@strongroom/attestation/snp/certificate-table';
import { FIELDS, REPORT_VERSIONS, reservedSpans } from '@strongroom/attestation/snp/layout';
import { parseCertificate } from '@strongroom/attestation/x509/certificate';
import { parsePemCertificates } from '@strongroom/attestation/x509/pem';
import { parseRevocationList } from '@strongroom/attestation/x509/revocation-list';
import { codeOf } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  derOf,
  PRODUCTS,
  reportBytesOf,
  type Simulated,
  simulated,
  splitChain,
  verdictOf,
} from './attestation-simulated.ts';

const numRuns = process.env['STRONGROOM_LONG'] === '1' ? 20_000 : 1_000;

let sim: Simulated;
let evidence: Evidence;
let everyCertificate: string[];
beforeAll(async () => {
  sim = await simulated();
  evidence = await sim.evidenceFor();
  everyCertificate = [];
  for (const product of PRODUCTS) {
    for (const signer of ['vcek', 'vlek'] as const) {
      const { certificateChain } = await sim.evidenceFor({ product, signer });
      everyCertificate.push(...splitChain(certificateChain));
    }
  }
}, 60_000);

/** 1184 random bytes, made into a form that a parser may accept. */
const randomReport = fc
  .tuple(
    fc.uint8Array({ minLength: 1_184, maxLength: 1_184 }),
    fc.constantFrom(...REPORT_VERSIONS),
    fc.constantFrom(0, 1, 2, 3, 4, 5, 28),
  )
  .map(([bytes, version, keyInfo]) => {
    const view = new DataView(bytes.buffer);
    view.setUint32(FIELDS.version[0], version, true);
    view.setUint32(FIELDS.signatureAlgorithm[0], 1, true);
    view.setUint32(FIELDS.keyInfo[0], keyInfo, true);
    view.setBigUint64(FIELDS.policy[0], (view.getBigUint64(8, true) & 0x3ffffffn) | 0x20000n, true);
    for (const [offset, length] of reservedSpans(version)) bytes.fill(0, offset, offset + length);
    return bytes;
  });

describe('for any bytes', () => {
  test('a report that parses is written as it was read', () => {
    fc.assert(
      fc.property(randomReport, (bytes) => {
        expect(serializeReport(parseReport(bytes))).toEqual(bytes);
      }),
      { numRuns },
    );
  });

  test('a parser answers, or refuses with one of our codes', () => {
    const parsers = [
      parseReport,
      parseCertificate,
      parseCertificateTable,
      parseRevocationList,
      (bytes: Uint8Array) => parsePemCertificates(Buffer.from(bytes).toString('latin1')),
    ];
    const good = [
      reportBytesOf(evidence),
      ...everyCertificate.map(derOf),
      sim.platform.revocationList('Genoa', { revoked: ['ask'] }),
    ];
    // Random bytes end at the first check: most of the time good bytes with a part replaced.
    const changed = fc
      .tuple(fc.constantFrom(...good), fc.nat(), fc.uint8Array({ maxLength: 8 }))
      .map(([bytes, at, part]) => {
        const copy = bytes.slice();
        copy.set(part.subarray(0, copy.length), at % Math.max(1, copy.length - part.length));
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 2_000 }), changed), (bytes) => {
        for (const parse of parsers) {
          try {
            parse(bytes);
          } catch (error) {
            expect(codeOf(error)).toMatch(/^ERR_/);
          }
        }
      }),
      { numRuns },
    );
  });
});

describe('for any list of certificates', () => {
  test('the answer does not depend on their order', () => {
    const [leaf = '', ask = '', ark = ''] = splitChain(evidence.certificateChain);
    for (const order of [
      [leaf, ask, ark],
      [leaf, ark, ask],
      [ask, leaf, ark],
      [ask, ark, leaf],
      [ark, leaf, ask],
      [ark, ask, leaf],
    ]) {
      expect(verdictOf({ ...evidence, certificateChain: order.join('') }, sim)).toBe('ok');
    }
  });

  test('one more never turns a refusal into an acceptance', async () => {
    const refused = await Promise.all([
      sim.evidenceFor({ otherChip: true }),
      sim.evidenceFor({ expired: true }),
      sim.evidenceFor({ mutate: (report) => report.set([27], 0x186) }),
      sim.evidenceFor({ debug: true }),
    ]);
    const others = fc.subarray(everyCertificate, { maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...refused), others, fc.boolean(), (bad, more, first) => {
        const blocks = [bad.certificateChain, ...more];
        const certificateChain = (first ? blocks.toReversed() : blocks).join('');
        expect(verdictOf({ ...bad, certificateChain }, sim)).not.toBe('ok');
      }),
      { numRuns: numRuns / 5 },
    );
  });
});
