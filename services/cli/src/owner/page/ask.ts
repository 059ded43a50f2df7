import type { ShownError } from '@strongroom/page/view/error-panel';

/**
 * Asks the page's own server, with the secret of the address that the command has printed. The
 * secret comes in the fragment, which browsers send nowhere, and is kept for this tab, so that
 * loading the page again works; the address bar forgets it.
 */

const PLACE = 'strongroom-session';

export function takeSecret(): string | undefined {
  const given = location.hash.slice(1);
  if (given !== '') {
    history.replaceState(null, '', location.pathname);
    keep(given);
    return given;
  }
  try {
    return sessionStorage.getItem(PLACE) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(secret: string): void {
  try {
    sessionStorage.setItem(PLACE, secret);
  } catch {
    // It holds until the page is loaded again.
  }
}

/** What went wrong, as the server says it. */
class Refusal extends Error {
  readonly shown: ShownError;

  constructor(shown: ShownError) {
    super(shown.code);
    this.shown = shown;
  }
}

export type Ask = <Answer>(path: string, body?: object) => Promise<Answer>;

/** @returns a function that asks, by POST where there is a body; `shownError` shows its errors */
export function askWith(secret: string): Ask {
  return async <Answer>(path: string, body?: object) => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
    const sent = body && { method: 'POST', body: JSON.stringify(body) };
    let answer: { error?: ShownError };
    let isOk = false;
    try {
      const response = await fetch(path, { ...sent, headers });
      isOk = response.ok;
      answer = await response.json();
    } catch {
      throw new Refusal(AWAY);
    }
    if (isOk) return answer as Answer;
    throw new Refusal(answer.error ?? AWAY);
  };
}

const AWAY: ShownError = {
  code: 'ERR_SERVICE_UNREACHABLE',
  expected: 'the page’s own server is expected to answer',
  remedy: 'Start it again, and open the address that it says.',
  facts: {},
};

export function shownError(error: unknown): ShownError {
  if (error instanceof Refusal) return error.shown;
  const name = error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
  return {
    code: 'ERR_INTERNAL',
    expected: `no error of this kind is expected: ${name}`,
    remedy: 'This is a defect of Strongroom; please report it.',
    facts: {},
  };
}
