import type { Revocation, RevocationLists } from '@strongroom/attestation/verify';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';

/**
 * Revocation lists that the page's server has asked AMD for. Nothing of them is believed here: a
 * list counts when the pinned root has signed it. A server that gives none, or an old one that is
 * still in force, cannot be told from one that got no other; the proof says which list it was.
 */
export function relayedLists(): Revocation {
  return {
    async listsFor(evidence) {
      const { revocationLists, requireRevocationList } = await ask(evidence);
      return {
        revocationLists: revocationLists.flatMap((text) => decodeBase64url(String(text)) ?? []),
        requireRevocationList: requireRevocationList === true,
        revocationClock: systemClock,
      } satisfies RevocationLists;
    },
  };
}

interface Answer {
  readonly revocationLists: readonly unknown[];
  readonly requireRevocationList?: unknown;
}

async function ask(evidence: Evidence): Promise<Answer> {
  try {
    const body = JSON.stringify(evidence);
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch('/api/revocation-lists', { method: 'POST', headers, body });
    const given: unknown = await answer.json();
    return isAnswer(given) ? given : UNANSWERED;
  } catch {
    return UNANSWERED;
  }
}

/** Whether a list must be there is not known then, so one must. */
const UNANSWERED: Answer = { revocationLists: [], requireRevocationList: true };

function isAnswer(value: unknown): value is Answer {
  return (
    typeof value === 'object' &&
    value !== null &&
    'revocationLists' in value &&
    Array.isArray(value.revocationLists)
  );
}
