import type { Evidence } from '@strongroom/protocol/evidence';
import type { CheckedList } from './snp/revocation.ts';
import type { Revocation, VerificationClock } from './verify.ts';
import { parseCertificate, sameName } from './x509/certificate.ts';
import { parsePemCertificates } from './x509/pem.ts';
import { parseRevocationList } from './x509/revocation-list.ts';

/**
 * Revocation lists that came with what is read, in a file or by hand, and that are all there is:
 * nobody is asked. AMD's root has signed them, so whoever carried them can only have left a newer
 * one at home; their dates are told.
 * @param revocationLists one of them has to be of each machine's root
 * @param ofSeveral of machines of several roots: each is held to those of its own, if any
 */
export function carriedLists(
  revocationLists: readonly Uint8Array[],
  revocationClock: VerificationClock,
  ofSeveral: readonly Uint8Array[] = [],
): Revocation {
  const how = { revocationClock, endedLists: 'accepted' } as const;
  return {
    listsFor: async (evidence) => {
      const own = ofSeveral.filter((list) => isOfChain(list, evidence));
      return { ...how, revocationLists: [...revocationLists, ...own] };
    },
  };
}

/** What cannot be read is kept: verification says what is wrong with it. */
function isOfChain(list: Uint8Array, { certificateChain }: Evidence): boolean {
  try {
    const { issuer } = parseRevocationList(list);
    const chain = parsePemCertificates(certificateChain).map(parseCertificate);
    return chain.some(({ subject }) => sameName(subject, issuer));
  } catch {
    return true;
  }
}

/** Of lists that several machines were held to those that go along: of each root the newest. */
export function listsToCarry(seen: readonly CheckedList[]): Uint8Array[] {
  const newestFirst = [...seen].sort((left, right) => right.thisUpdate - left.thisUpdate);
  const kept = new Map<string, Uint8Array>();
  for (const { bytes } of newestFirst) {
    const root = JSON.stringify(parseRevocationList(bytes).issuer);
    if (!kept.has(root)) kept.set(root, bytes);
  }
  return [...kept.values()];
}
