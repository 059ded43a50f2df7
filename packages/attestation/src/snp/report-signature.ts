import { type KeyObject, verify } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';

/** The numbers of an ECDSA signature as a report has them: 48 bytes each, the lowest first. */
export interface ReportSignature {
  readonly r: Uint8Array;
  readonly s: Uint8Array;
}

/**
 * SEC 1 §4.1.4: 1 <= r, s < n. Costs nothing, so that it comes before every signature.
 * @throws ERR_REPORT_SIGNATURE
 */
export function checkSignatureRange({ r, s }: ReportSignature): void {
  for (const part of [r, s]) {
    const value = BigInt(`0x${Buffer.from(part.toReversed()).toString('hex')}`);
    if (value === 0n || value >= P384_ORDER) {
      throw new StrongroomError('ERR_REPORT_SIGNATURE', { check: 'range' });
    }
  }
}

/** The order of the group (FIPS 186-5, P-384): 192 ones and a lower half. */
const P384_ORDER =
  (((1n << 192n) - 1n) << 192n) | 0xc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;

/**
 * ECDSA on P-384 with SHA-384: the one algorithm of reports.
 * @throws ERR_REPORT_SIGNATURE
 */
export function checkReportSignature(
  signed: Uint8Array,
  { r, s }: ReportSignature,
  key: KeyObject,
): void {
  const signature = Buffer.concat([r.toReversed(), s.toReversed()]);
  if (!verify('sha384', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)) {
    throw new StrongroomError('ERR_REPORT_SIGNATURE', { check: 'signature' });
  }
}
