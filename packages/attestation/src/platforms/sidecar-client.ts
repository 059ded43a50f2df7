import { request } from 'node:http';
import { StrongroomError } from '@strongroom/protocol/errors';
import { HTTP_TIMEOUT_MS } from '@strongroom/protocol/limits';
import {
  type CombinedAnswer,
  isReady,
  readCombinedAnswer,
  readRawAnswer,
  readReleaseAnswer,
  readTokenAnswer,
  type SidecarAnswer,
} from '../azure/sidecar-answers.ts';
import { reportDataOf } from '../binding.ts';

/**
 * Client of the key release sidecar. It stands beside us in the same confidential container group,
 * behind the same report, and is reached over the loopback interface only.
 */
export interface SidecarClient {
  /** @throws ERR_PLATFORM_UNAVAILABLE when nobody answers */
  isReady(): Promise<boolean>;
  /** A report whose REPORT_DATA binds these bytes. @throws as `readRawAnswer` */
  raw(runtimeData: Uint8Array): Promise<Uint8Array>;
  /** With endorsements; null where the sidecar is older than the route. */
  combined(runtimeData: Uint8Array): Promise<CombinedAnswer | null>;
  /** A token of an attestation service, named by its host. */
  maa(authority: string, runtimeData: Uint8Array): Promise<string>;
  release(options: {
    readonly authority: string;
    readonly vault: string;
    readonly keyId: string;
    readonly accessToken?: string;
  }): Promise<Readonly<Record<string, unknown>>>;
}

export const SIDECAR_URL = 'http://127.0.0.1:8080';
const ANSWER_BYTES_MAX = 256 * 1024;

/** @throws ERR_CONFIG_INVALID for an address that is not this machine's own */
export function createSidecarClient(url = SIDECAR_URL): SidecarClient {
  const base = URL.parse(url);
  const isLocal = base !== null && /^(127(\.\d+){3}|localhost|\[::1\])$/.test(base.hostname);
  if (!isLocal || base.protocol !== 'http:') {
    throw new StrongroomError('ERR_CONFIG_INVALID', { expected: 'http on a loopback address' });
  }
  const post = (path: string, body: object) => ask(new URL(path, base), JSON.stringify(body));
  const dataOf = (bytes: Uint8Array) => ({ runtime_data: Buffer.from(bytes).toString('base64') });
  return {
    isReady: async () => isReady(await ask(new URL('/status', base))),
    raw: async (runtimeData) =>
      readRawAnswer(await post('/attest/raw', dataOf(runtimeData)), reportDataOf(runtimeData)),
    async combined(runtimeData) {
      const answer = await post('/attest/combined', dataOf(runtimeData));
      if (answer.status === 404 || answer.status === 405) return null;
      return readCombinedAnswer(answer, reportDataOf(runtimeData));
    },
    maa: async (authority, runtimeData) =>
      readTokenAnswer(
        await post('/attest/maa', { maa_endpoint: authority, ...dataOf(runtimeData) }),
      ),
    release: async ({ authority, vault, keyId, accessToken }) =>
      readReleaseAnswer(
        await post('/key/release', {
          maa_endpoint: authority,
          akv_endpoint: vault,
          kid: keyId,
          ...(accessToken === undefined ? {} : { access_token: accessToken }),
        }),
      ),
  };
}

/** GET without a body, POST with one. */
function ask(url: URL, body?: string): Promise<SidecarAnswer> {
  const method = body === undefined ? 'GET' : 'POST';
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(HTTP_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const fail = () => reject(unreachable(url));
    const sent = request(url, { method, headers, signal }, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > ANSWER_BYTES_MAX) sent.destroy(new RangeError('answer too long'));
      });
      response.on('error', fail);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(pieces).toString('utf8'),
        }),
      );
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

function unreachable(url: URL): StrongroomError {
  const facts = { check: 'sidecar-unreachable', url: url.origin + url.pathname };
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', facts);
}
