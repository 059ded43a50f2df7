import type { BearerTokens } from './bearer-tokens.ts';
import { LogError } from './log-error.ts';

const LENGTH_BYTES = 4;
/** RFC 7628 section 3.1. */
const SEPARATOR = '\u0001';

/** What the client hands to a mechanism: says bytes, and gives what was answered. */
interface Exchange {
  saslAuthenticate(args: {
    readonly request: { encode(): Buffer };
    readonly response: { decode(bytes: Buffer): Buffer; parse(bytes: Buffer): Buffer };
  }): Promise<unknown>;
}

/**
 * SASL OAUTHBEARER. The client's own takes every answer for success: a broker refuses a token by a
 * challenge (RFC 7628 section 3.2.2), and closes the connection only at what is said next.
 */
export function bearerMechanism(tokens: BearerTokens) {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }: Exchange) => ({
      async authenticate() {
        const token = await tokens.next();
        const challenge = await saslAuthenticate({
          request: { encode: () => messageOf(token) },
          response: { decode: (bytes) => bytes, parse: (bytes) => bytes },
        });
        if (challenge instanceof Buffer && challenge.length > LENGTH_BYTES) {
          throw new LogError('ERR_LOG_REFUSED', { reason: 'SASL_AUTHENTICATION_FAILED' });
        }
      },
    }),
  };
}

function messageOf(token: string): Buffer {
  const message = Buffer.from(`n,,${SEPARATOR}auth=Bearer ${token}${SEPARATOR}${SEPARATOR}`);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeInt32BE(message.length);
  return Buffer.concat([length, message]);
}
