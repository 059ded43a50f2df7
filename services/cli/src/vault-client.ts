import type { KeyClient } from '@azure/keyvault-keys';
import { type ErrorCode, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { readTextFile } from '@strongroom/runtime/files';
import { httpsAgent } from '@strongroom/runtime/proxy';
import { z } from 'zod';

/** Where an owner's key release service is, and how it is entered. */
export interface VaultOptions {
  readonly vault: string;
  readonly tokenFile: string;
  readonly caFile?: string;
}

/** A command is not a daemon: it says soon that nobody answers. */
const RETRIES_MAX = 1;
const RETRY_DELAY_MS = 200;
const TOKEN_LIFE_MS = 3_600_000;

/**
 * Azure's own client, with the access token of the service; it sends a token over HTTPS only. The
 * challenge's resource is not compared with the host: an owner's service lies under the owner's
 * name, not under Azure's.
 * @throws ERR_FILE_UNREADABLE, ERR_USAGE for what is no HTTPS URL
 */
export async function connectVault(options: VaultOptions): Promise<KeyClient> {
  const url = URL.parse(options.vault);
  if (url?.protocol !== 'https:') {
    throw new StrongroomError('ERR_USAGE', { problem: '--vault takes an https URL' });
  }
  const token = (await readTextFile(options.tokenFile)).trim();
  const { KeyClient } = await import('./azure-keys.ts');
  const tls = options.caFile ? { ca: await readTextFile(options.caFile) } : {};
  const credential = {
    // The client asks when the token ends; a file's token is read anew by every command.
    getToken: () =>
      Promise.resolve({ token, expiresOnTimestamp: systemClock.now() + TOKEN_LIFE_MS }),
  };
  return new KeyClient(url.href.replace(/\/$/, ''), credential, {
    // Azure's own way through a proxy forgets which authorities to trust.
    agent: httpsAgent({ keepAlive: true, ...tls }),
    disableChallengeResourceVerification: true,
    retryOptions: { maxRetries: RETRIES_MAX, retryDelayInMs: RETRY_DELAY_MS },
  });
}

/** Runs one call of the client and gives what it throws one of our codes. */
export async function askVault<T>(vault: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw vaultError(vault, error);
  }
}

/** Our code lies in `innererror`, which Azure's client renames. */
const RestErrorSchema = z.looseObject({
  statusCode: z.number().optional(),
  code: z.string().optional(),
  details: z
    .looseObject({
      error: z
        .looseObject({
          code: z.string().optional(),
          message: z.string().optional(),
          innerError: z.looseObject({ code: z.string().optional() }).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** For Azure itself, and for lists, of whose refusals the client keeps the status alone. */
const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'ERR_REQUEST_INVALID',
  401: 'ERR_UNAUTHENTICATED',
  403: 'ERR_RIGHT_MISSING',
  404: 'ERR_KEY_NOT_FOUND',
};

function vaultError(vault: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'RestError') return error;
  const parsed = RestErrorSchema.safeParse(error);
  const { statusCode, details } = parsed.success ? parsed.data : {};
  if (statusCode === undefined) {
    const reason = parsed.data?.code ?? 'unknown';
    return new StrongroomError('ERR_SERVICE_UNREACHABLE', { vault, reason });
  }
  const inner = details?.error?.innerError?.code;
  const code = isErrorCode(inner) ? inner : CODE_OF_STATUS[statusCode];
  // Of a bad request the service's own words name the place.
  const problem = statusCode === BAD_REQUEST ? details?.error?.message : undefined;
  const facts = { vault, status: statusCode, ...(problem === undefined ? {} : { problem }) };
  return new StrongroomError(code ?? 'ERR_SERVICE_UNREACHABLE', facts);
}

const BAD_REQUEST = 400;
