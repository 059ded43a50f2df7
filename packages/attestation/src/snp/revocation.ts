import { StrongroomError } from '@strongroom/protocol/errors';
import type { VerificationOptions } from '../verify.ts';
import { publicKeyOf, sameBytes, sameName } from '../x509/certificate.ts';
import { parseRevocationList, type RevocationList } from '../x509/revocation-list.ts';
import { type EndorsementChain, isPssAlgorithm, isSignedBy, maySignLists } from './chain.ts';

/** The list that a chain was held to; of several the newest. */
export interface CheckedList {
  /** In DER. */
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** How many certificates it revokes. */
  readonly revoked: number;
}

/**
 * Was an authority of this chain revoked? The chain's signatures were checked before, so its root
 * is the pinned one. Whoever gives lists gives one that counts: no list of another root makes an
 * answer, and a stale one refuses.
 * @throws ERR_CERTIFICATE_CHAIN with `check`: crl-missing, crl-form, crl-authority, crl-algorithm,
 * crl-signature, crl-not-yet-valid, crl-expired or revoked
 * @returns null where no list was looked at
 */
export function checkRevocation(
  chain: EndorsementChain,
  options: VerificationOptions,
): CheckedList | null {
  const given = (options.revocationLists ?? []).map((bytes) => ({
    bytes,
    list: parseRevocationList(bytes),
  }));
  const own = given.filter(({ list }) => sameName(list.issuer, chain.root.subject));
  if (own.length === 0) {
    if (given.length > 0 || options.requireRevocationList) throw refusal('crl-missing');
    return null;
  }
  const now = (options.revocationClock ?? options.clock).now();
  const since = endsAccepted(options, now);
  const checked = own.map(({ bytes, list }): CheckedList => {
    checkList(list, chain, now, since);
    checkSerials(list, chain);
    const { thisUpdate, nextUpdate, revoked } = list;
    return { bytes, thisUpdate, nextUpdate, revoked: revoked.length };
  });
  return checked.sort((left, right) => right.thisUpdate - left.thisUpdate)[0] ?? null;
}

/** A list that ended before then is none. */
function endsAccepted({ endedLists, clock }: VerificationOptions, now: number): number {
  if (endedLists === undefined) return now;
  return endedLists === 'accepted' ? clock.now() : Math.min(endedLists.since, now);
}

/**
 * @param since a list that ended before then is none; default: now
 * @throws ERR_CERTIFICATE_CHAIN for a list that is not this root's, or not of this time
 */
export function checkList(
  list: RevocationList,
  { root }: Pick<EndorsementChain, 'root'>,
  now: number,
  since = now,
): void {
  if (!sameName(list.issuer, root.subject)) throw refusal('crl-missing');
  if (!maySignLists(root)) throw refusal('crl-authority');
  if (!isPssAlgorithm(list.signatureAlgorithm)) throw refusal('crl-algorithm');
  if (!isSignedBy(list, publicKeyOf(root))) throw refusal('crl-signature');
  if (now < list.thisUpdate) throw refusal('crl-not-yet-valid');
  if (since > list.nextUpdate) throw refusal('crl-expired');
}

/** The leaf's issuer is not the list's: every VCEK has the serial number 0. */
function checkSerials(list: RevocationList, chain: EndorsementChain): void {
  for (const role of ['intermediate', 'root'] as const) {
    if (list.revoked.some((serial) => sameBytes(serial, chain[role].serial))) {
      throw refusal('revoked', role);
    }
  }
}

function refusal(check: string, role?: string): StrongroomError {
  const more = role === undefined ? {} : { role };
  return new StrongroomError('ERR_CERTIFICATE_CHAIN', { check, ...more });
}
