import { reportDataOf } from '@strongroom/attestation/binding';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { type ErrorCode, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { TOKEN_BYTES_MAX } from '@strongroom/protocol/limits';
import { type JsonAnswer, postJson } from './http-post.ts';

/** From a platform to a token: a report that binds the vault's claims, judged by an authority. */

/** @param runtimeClaims base64url of their canonical bytes, as the vault gives them */
export async function collectEvidence(
  platform: Platform,
  runtimeClaims: string,
): Promise<Evidence> {
  const claims = decodeBase64url(runtimeClaims);
  if (!claims) throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { part: 'runtime claims' });
  const { report, certificateChain } = await platform.quote(reportDataOf(claims));
  return { report: encodeBase64url(report), certificateChain, runtimeClaims };
}

const API_VERSION = '2022-08-01';

/**
 * Asks an attestation service in Microsoft Azure Attestation's shape for a token.
 * @throws ERR_SERVICE_UNREACHABLE, ERR_TOKEN_INVALID, or the service's own code
 */
export async function requestToken(
  issuer: string,
  evidence: Evidence,
  options: { readonly ca?: string },
): Promise<string> {
  const url = new URL(`${issuer}/attest/SevSnpVm?api-version=${API_VERSION}`);
  const answer = await postJson(url, requestBody(evidence), options);
  const token = memberOf(answer.body, 'token');
  if (answer.status !== 200) throw refusal(answer, issuer);
  if (typeof token !== 'string' || token.length > TOKEN_BYTES_MAX) {
    throw new StrongroomError('ERR_TOKEN_INVALID', { authority: issuer });
  }
  return token;
}

function requestBody({ report, certificateChain, runtimeClaims }: Evidence) {
  const encoded = (text: string) => encodeBase64url(new TextEncoder().encode(text));
  const inner = { SnpReport: report, VcekCertChain: encoded(certificateChain) };
  return {
    report: encoded(JSON.stringify(inner)),
    runtimeData: { data: runtimeClaims, dataType: 'JSON' },
  };
}

function refusal({ status, body }: JsonAnswer, issuer: string): StrongroomError {
  const code = memberOf(memberOf(body, 'error'), 'code');
  const unknown: ErrorCode = status >= 500 ? 'ERR_SERVICE_UNREACHABLE' : 'ERR_TOKEN_INVALID';
  return new StrongroomError(isErrorCode(code) ? code : unknown, { authority: issuer, status });
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
