import { StrongroomError } from '@strongroom/protocol/errors';
import type { VerificationOptions } from '../verify.ts';
import { publicKeyOf, sameBytes, sameName } from '../x509/certificate.ts';
import { parseRevocationList, type RevocationList } from '../x509/revocation-list.ts';
import { type EndorsementChain, isPssAlgorithm, isSignedBy, maySignLists } from './chain.ts';

/**
 * Was an authority of this chain revoked? The chain's signatures were checked before, so its root
 * is the pinned one. Whoever gives lists gives one that counts: no list of another root makes an
 * answer, and a stale one refuses.
 * @throws ERR_CERTIFICATE_CHAIN with `check`: crl-missing, crl-form, crl-authority, crl-algorithm,
 * crl-signature, crl-not-yet-valid, crl-expired or revoked
 */
export function checkRevocation(
  chain: EndorsementChain,
  options: VerificationOptions,
): 'checked' | 'not-checked' {
  const given = (options.revocationLists ?? []).map(parseRevocationList);
  const lists = given.filter(({ issuer }) => sameName(issuer, chain.root.subject));
  if (lists.length === 0) {
    if (given.length > 0 || options.requireRevocationList) throw refusal('crl-missing');
    return 'not-checked';
  }
  const now = (options.revocationClock ?? options.clock).now();
  for (const list of lists) {
    checkList(list, chain, now);
    checkSerials(list, chain);
  }
  return 'checked';
}

/** @throws ERR_CERTIFICATE_CHAIN for a list that is not this root's, or not of this time */
export function checkList(
  list: RevocationList,
  { root }: Pick<EndorsementChain, 'root'>,
  now: number,
): void {
  if (!sameName(list.issuer, root.subject)) throw refusal('crl-missing');
  if (!maySignLists(root)) throw refusal('crl-authority');
  if (!isPssAlgorithm(list.signatureAlgorithm)) throw refusal('crl-algorithm');
  if (!isSignedBy(list, publicKeyOf(root))) throw refusal('crl-signature');
  if (now < list.thisUpdate) throw refusal('crl-not-yet-valid');
  if (now > list.nextUpdate) throw refusal('crl-expired');
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
