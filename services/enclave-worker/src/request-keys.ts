import type { TokenCredential } from '@azure/core-auth';
import { KeyClient } from '@azure/keyvault-keys';
import type { AuditReceipt } from '@strongroom/protocol/audit';
import type { Party } from '@strongroom/protocol/contract';
import { codeOf, type ErrorCode, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Tracing } from '@strongroom/runtime/tracing';
import { type CredentialFor, tlsOf } from './credentials.ts';
import { receiptIn } from './receipts.ts';

/** Key releases by Azure's own client: the same code for Azure Key Vault and for our service. */

export interface KeyRequestOptions {
  /** Proves the worker: a token, or all that the contract asks for. */
  readonly target: string;
  /** Echoed in the signed answer: the one inside the runtime claims. */
  readonly nonce: string;
  readonly credentialFor: CredentialFor;
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
  /** Ends the wait for an answer. */
  readonly abortSignal?: AbortSignal;
  /** Absent: nobody wants to know. */
  readonly tracing?: Tracing | undefined;
}

/**
 * Asks an owner's service for a key. The answer is for the vault: it alone can judge and open it.
 * @returns the JWS around the wrapped key, and the receipt that our own services give with it
 * @throws ERR_KEY_NOT_RELEASED, or the service's own code
 */
export async function requestKey(
  owner: Party,
  keyId: string,
  options: KeyRequestOptions,
): Promise<{ jws: string; receipt: AuditReceipt | undefined }> {
  const facts = { party: owner.id, key: keyId };
  if (!owner.keyRelease) throw new StrongroomError('ERR_KEY_NOT_RELEASED', facts);
  if (!owner.keyRelease.url.startsWith('https:')) {
    // The client refuses it too, but says so with no code.
    throw new StrongroomError('ERR_CONFIG_INVALID', { ...facts, expected: 'an https URL' });
  }
  const client = keyClient(owner.keyRelease.url, owner.id, options);
  let value: unknown;
  let answer = '';
  const url = new URL(owner.keyRelease.url);
  const call = options.tracing?.beginCall({ side: 'client', method: 'POST', url });
  const traceparent = call?.traceparent;
  try {
    const [name = '', version] = keyId.split('/');
    const released = await client.releaseKey(name, options.target, {
      ...(version === undefined ? {} : { version }),
      algorithm: 'RSA_AES_KEY_WRAP_256',
      nonce: options.nonce,
      ...(options.abortSignal ? { abortSignal: options.abortSignal } : {}),
      ...(traceparent ? { requestOptions: { headers: { traceparent } } } : {}),
      // The client hands out `value` alone.
      onResponse: ({ bodyAsText }) => {
        answer = bodyAsText ?? '';
      },
    });
    value = released.value;
    call?.end({ status: 200 });
  } catch (error) {
    const refused = refusal(error, facts);
    call?.end({ code: refused.code });
    throw refused;
  }
  // The client does not mind an answer without it.
  if (typeof value !== 'string' || value === '') {
    throw new StrongroomError('ERR_KEY_NOT_RELEASED', facts);
  }
  return { jws: value, receipt: receiptIn(answer) };
}

function keyClient(url: string, owner: string, options: KeyRequestOptions): KeyClient {
  const shown = options.credentialFor(owner);
  const credential: TokenCredential = {
    getToken: async () => ({
      // The client always sends one; a service that knows the certificate passes over it.
      token: shown.token ?? '',
      expiresOnTimestamp: Number.MAX_SAFE_INTEGER,
    }),
  };
  const tlsOptions = { ...(options.ca === undefined ? {} : { ca: options.ca }), ...tlsOf(shown) };
  return new KeyClient(url, credential, {
    // The contract names the service; its answer is signed by a key that the contract pins.
    disableChallengeResourceVerification: true,
    tlsOptions,
  });
}

/** Our services say their code inside Azure's error; other services have a status. */
function refusal(error: unknown, facts: Record<string, string>): StrongroomError {
  const known = codeOf(error) ?? innerCodeOf(error, 0);
  if (known !== undefined) return new StrongroomError(known, facts);
  const status = memberOf(error, 'statusCode');
  if (status === 401) return new StrongroomError('ERR_UNAUTHENTICATED', facts);
  if (status === 403) return new StrongroomError('ERR_POLICY_DENIED', facts);
  if (status === 404) return new StrongroomError('ERR_KEY_NOT_FOUND', facts);
  return new StrongroomError('ERR_KEY_NOT_RELEASED', facts);
}

const NESTING_MAX = 4;

/** The client renames members on the way: `innererror` may arrive as `innerError`. */
function innerCodeOf(value: unknown, depth: number): ErrorCode | undefined {
  const code = memberOf(value, 'code');
  if (isErrorCode(code)) return code;
  if (depth > NESTING_MAX) return undefined;
  for (const name of ['details', 'error', 'innererror', 'innerError']) {
    const inner = memberOf(value, name);
    const found = inner ? innerCodeOf(inner, depth + 1) : undefined;
    if (found) return found;
  }
  return undefined;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Reflect.get(value, name);
}
