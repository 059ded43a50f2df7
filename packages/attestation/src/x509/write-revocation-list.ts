import { constants, type KeyObject, sign } from 'node:crypto';
import type { CertificateExtension, DistinguishedName } from './certificate.ts';
import { contextTag } from './der.ts';
import {
  PSS_SALT_BYTES,
  PSS_SHA384_WITH_TRAILER,
  writeExtension,
  writeName,
} from './write-certificate.ts';
import { bitString, der, integer, sequence, time } from './write-der.ts';

/** What a revocation list says; the simulated platform makes them as AMD does. */
export interface RevocationListFacts {
  readonly issuer: DistinguishedName;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers, big-endian. */
  readonly revoked: readonly Uint8Array[];
  readonly extensions?: ReadonlyMap<string, CertificateExtension>;
}

/** @returns DER, signed with RSASSA-PSS and SHA-384 */
export function writeRevocationList(facts: RevocationListFacts, issuerKey: KeyObject): Uint8Array {
  const algorithm = PSS_SHA384_WITH_TRAILER;
  const entries = facts.revoked.map((serial) => sequence(integer(serial), time(facts.thisUpdate)));
  const tbs = sequence(
    integer(Uint8Array.of(1)),
    algorithm,
    writeName(facts.issuer),
    time(facts.thisUpdate),
    time(facts.nextUpdate),
    // RFC 5280 §5.1.2.6: the list is absent when nothing is revoked.
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    der(contextTag(0), sequence(...[...(facts.extensions ?? CRL_NUMBER)].map(writeExtension))),
  );
  const signature = sign('sha384', tbs, {
    key: issuerKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: PSS_SALT_BYTES,
  });
  return sequence(tbs, algorithm, bitString(signature));
}

/** RFC 5280 §5.2.3, the one extension that every list has. */
const CRL_NUMBER: ReadonlyMap<string, CertificateExtension> = new Map([
  ['2.5.29.20', { critical: false, value: integer(Uint8Array.of(1)) }],
]);
