import type { CheckedList } from './snp/revocation.ts';

/** Which revocation list evidence was held to, for a program and for a person. */

export function revocationFacts(list: (CheckedList & { readonly hasEnded?: boolean }) | null) {
  if (!list) return null;
  const { thisUpdate, nextUpdate, revoked, hasEnded = false } = list;
  return {
    issuedAt: new Date(thisUpdate).toISOString(),
    endsAt: new Date(nextUpdate).toISOString(),
    hasEnded,
    revoked,
  };
}

/** AMD revokes authorities of chips; a chip is answered for by its versions. */
export function revocationText(facts: ReturnType<typeof revocationFacts>): string {
  if (!facts) return 'no list was given: a revoked authority of the chip would not be noticed';
  const [issued, ended] = [facts.issuedAt, facts.endsAt].map((at) => at.slice(0, DAY_CHARACTERS));
  const until = facts.hasEnded ? `, which ended on ${ended}` : '';
  return `checked against the list of ${issued}, ${facts.revoked} revoked${until}`;
}

const DAY_CHARACTERS = 'YYYY-MM-DD'.length;
