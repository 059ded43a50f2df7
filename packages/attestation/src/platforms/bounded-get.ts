import { randomInt } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { StrongroomError } from '@strongroom/protocol/errors';

/** GET with an end: of bytes, of time, of tries. No redirect is followed. */
export interface BoundedGetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly bytesMax: number;
  /** 4 unless said otherwise. */
  readonly triesMax?: number;
  /** Waits so many milliseconds before the next try. */
  readonly wait?: (milliseconds: number) => Promise<unknown>;
  /** A whole number in [0, below): what spreads the tries of many workers. */
  readonly spread?: (below: number) => number;
  readonly now?: () => number;
}

const TRIES_MAX = 4;
const ANSWER_MS_MAX = 10_000;
/** AMD's service lets a client through about once in ten seconds. */
const WAIT_MS = 2_000;
const WAIT_MS_MAX = 30_000;

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

/**
 * Tries again on 429, on 5xx and when no whole answer came; waits as long as `Retry-After` says,
 * up to half a minute.
 * @returns the answer with status 200 or 4xx
 * @throws ERR_ENDORSEMENT_UNAVAILABLE with `check: no-answer` after the last try, `too-long`
 */
export async function boundedGet(url: string, options: BoundedGetOptions): Promise<Answer> {
  const wait = options.wait ?? sleep;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await getOnce(url, options);
    if (answer && !isTransient(answer.status)) return answer;
    if (attempt + 1 >= (options.triesMax ?? TRIES_MAX)) break;
    await wait(pauseOf(attempt, answer?.retryAfter, options));
  }
  throw unavailable('no-answer', url);
}

function isTransient(status: number): boolean {
  return status === 429 || status >= 500;
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function pauseOf(
  attempt: number,
  retryAfter: string | undefined,
  { spread = randomInt, now }: BoundedGetOptions,
): number {
  const ownPause = WAIT_MS * 2 ** attempt;
  const asked = /^\d{1,6}$/.test(retryAfter ?? '')
    ? Number(retryAfter) * 1_000
    : Date.parse(retryAfter ?? '') - (now?.() ?? Number.NaN);
  const pause = Number.isFinite(asked) ? Math.max(asked, 0) : ownPause;
  return Math.min(pause, WAIT_MS_MAX) + spread(WAIT_MS);
}

interface OneAnswer extends Answer {
  readonly retryAfter: string | undefined;
}

/** @returns undefined when no whole answer came */
function getOnce(url: string, options: BoundedGetOptions): Promise<OneAnswer | undefined> {
  const { protocol } = new URL(url);
  const get = protocol === 'https:' ? https.get : http.get;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const sent = get(url, { headers: { ...options.headers }, signal }, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes <= options.bytesMax) return;
        reject(unavailable('too-long', url));
        sent.destroy();
      });
      response.on('error', () => resolve(undefined));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: new Uint8Array(Buffer.concat(pieces)),
          retryAfter: response.headers['retry-after'],
        }),
      );
    });
    sent.on('error', () => resolve(undefined));
  });
}

function unavailable(check: string, url: string): StrongroomError {
  const { origin, pathname } = new URL(url);
  return new StrongroomError('ERR_ENDORSEMENT_UNAVAILABLE', { check, url: origin + pathname });
}
