import {
  type AuthorizationServer,
  allowInsecureRequests,
  ClientSecretBasic,
  clientCredentialsGrantRequest,
  processClientCredentialsResponse,
  ResponseBodyError,
  type TokenEndpointResponse,
} from 'oauth4webapi';
import type { HiddenText } from './hidden-text.ts';
import { LogError } from './log-error.ts';

/** A client of an authorization server, RFC 6749 section 4.4. */
export interface ClientCredentials {
  /** HTTPS; plain HTTP within this machine. */
  readonly tokenEndpoint: URL;
  readonly clientId: string;
  readonly clientSecret: HiddenText;
  readonly scope?: string;
}

/** So much of a token's life is used, as by Kafka's own clients. */
const USED_SHARE = 0.8;
/**
 * A session with the log ends with the token that began it, and is renewed 10 s before: a token
 * that is near its end by then would end the next session at once.
 */
const RENEWAL_MS = 15_000;
/** What a timer can take; a token that lives for longer is asked for again. */
const USED_MS_MAX = 86_400_000;
const ANSWER_MS_MAX = 10_000;

/** Does something later, if there is a later. */
type After = (ms: number, act: () => void) => void;

const later: After = (ms, act) => {
  setTimeout(act, ms).unref();
};

/** Bearer tokens of one client, each asked for once and used until it grows old. */
export class BearerTokens {
  readonly #client: ClientCredentials;
  readonly #after: After;
  #current: string | undefined;
  #asking: Promise<string> | undefined;

  constructor(client: ClientCredentials, after: After = later) {
    this.#client = client;
    this.#after = after;
  }

  /** @throws ERR_LOG_REFUSED: the server gives none; ERR_LOG_UNREACHABLE: it does not answer */
  async next(): Promise<string> {
    if (this.#current !== undefined) return this.#current;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  async #ask(): Promise<string> {
    const { access_token: token, expires_in: seconds = 0 } = await requestToken(this.#client);
    const life = seconds * 1_000;
    const used = Math.min(life * USED_SHARE, life - RENEWAL_MS, USED_MS_MAX);
    if (used > 0) {
      this.#current = token;
      this.#after(used, () => {
        this.#current = undefined;
      });
    }
    return token;
  }
}

async function requestToken({
  tokenEndpoint,
  clientId,
  clientSecret,
  scope,
}: ClientCredentials): Promise<TokenEndpointResponse> {
  const server: AuthorizationServer = {
    issuer: tokenEndpoint.origin,
    token_endpoint: tokenEndpoint.href,
  };
  const client = { client_id: clientId };
  try {
    const answer = await clientCredentialsGrantRequest(
      server,
      client,
      ClientSecretBasic(clientSecret.reveal()),
      scope === undefined ? {} : { scope },
      {
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        [allowInsecureRequests]: tokenEndpoint.protocol === 'http:',
      },
    );
    const response = await processClientCredentialsResponse(server, client, answer);
    if (response.token_type === 'bearer') return response;
  } catch (error) {
    throw toLogError(error, tokenEndpoint.host);
  }
  throw malformed(tokenEndpoint.host);
}

/** Of RFC 6749 section 5.2: a word of a list; the texts beside it go no further. */
const ERROR_WORD = /^[a-z_]{1,40}$/;

function toLogError(thrown: unknown, host: string): LogError {
  if (thrown instanceof ResponseBodyError) {
    const word = ERROR_WORD.test(thrown.error) ? thrown.error : 'another';
    return new LogError('ERR_LOG_REFUSED', { reason: 'TOKEN_REFUSED', error: word, host });
  }
  // fetch's own: no connection, no TLS, no answer in time.
  const isSilent =
    thrown instanceof TypeError ||
    (thrown instanceof DOMException && thrown.name === 'TimeoutError');
  if (isSilent) return new LogError('ERR_LOG_UNREACHABLE', { reason: 'NO_TOKEN', host });
  return malformed(host);
}

function malformed(host: string): LogError {
  return new LogError('ERR_LOG_REFUSED', { reason: 'TOKEN_MALFORMED', host });
}
