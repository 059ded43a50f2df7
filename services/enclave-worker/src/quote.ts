import { writeGuestRequest } from '@strongroom/attestation/azure/guest-request';
import { azureVmEvidenceOf } from '@strongroom/attestation/azure/vtpm';
import { collectEvidence as collectFrom } from '@strongroom/attestation/platforms/collect-evidence';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { type ErrorCode, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { TOKEN_BYTES_MAX } from '@strongroom/protocol/limits';
import { type JsonAnswer, memberOf, type PostOptions, postJson } from './http-post.ts';

/** From a platform to a token: a report that binds the vault's claims, judged by an authority. */

/** @param runtimeClaims base64url of their canonical bytes, as the vault gives them */
export async function collectEvidence(
  platform: Platform,
  runtimeClaims: string,
): Promise<Evidence> {
  return collectFrom(platform, claimsOf(runtimeClaims));
}

function claimsOf(runtimeClaims: string): Uint8Array {
  const claims = decodeBase64url(runtimeClaims);
  if (claims) return claims;
  throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { part: 'runtime claims' });
}

const API_VERSION = '2022-08-01';

/**
 * Asks an attestation service in Microsoft Azure Attestation's shape for a token.
 * @throws ERR_SERVICE_UNREACHABLE, ERR_TOKEN_INVALID, or the service's own code
 */
export async function requestToken(
  issuer: string,
  evidence: Evidence,
  options: Pick<PostOptions, 'ca' | 'tracing'>,
): Promise<string> {
  const [kind, body] = evidence.vtpm
    ? ['AzureGuest', guestBody(evidence)]
    : ['SevSnpVm', reportBody(evidence)];
  const url = new URL(`${issuer}/attest/${kind}?api-version=${API_VERSION}`);
  const answer = await postJson(url, body, options);
  const token = memberOf(answer.body, 'token');
  if (answer.status !== 200) throw refusal(answer, issuer);
  if (typeof token !== 'string' || token.length > TOKEN_BYTES_MAX) {
    throw new StrongroomError('ERR_TOKEN_INVALID', { authority: issuer });
  }
  return token;
}

/** Our own authorities understand it; Microsoft's expects its client library's conversation. */
function guestBody(evidence: Evidence) {
  return writeGuestRequest({
    evidence: azureVmEvidenceOf(evidence),
    certificateChain: evidence.certificateChain,
    bound: { runtimeData: claimsOf(evidence.runtimeClaims), dataType: 'JSON' },
  });
}

function reportBody(evidence: Evidence) {
  const { report, certificateChain, runtimeClaims, uvmEndorsement } = evidence;
  const encoded = (text: string) => encodeBase64url(new TextEncoder().encode(text));
  const inner = {
    SnpReport: report,
    VcekCertChain: encoded(certificateChain),
    ...(uvmEndorsement === undefined
      ? {}
      : { Endorsements: encoded(JSON.stringify({ Uvm: [uvmEndorsement] })) }),
  };
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
