import { reportDataOf } from '@strongroom/attestation/binding';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { type ErrorCode, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { TOKEN_BYTES_MAX } from '@strongroom/protocol/limits';
import { type JsonAnswer, postJson } from './http-post.ts';

/** From a platform to a token: a report that binds the vault's claims, judged by an authority. */

/** What an attestation service is told beside the evidence itself. */
export interface CollectedEvidence extends Evidence {
  /** Of Azure's confidential containers: a COSE_Sign1 about the utility VM, base64url. */
  readonly uvmEndorsement?: string;
}

/**
 * @param runtimeClaims base64url of their canonical bytes, as the vault gives them
 * @throws ERR_PLATFORM_UNAVAILABLE also for a platform whose evidence no authority here can judge
 */
export async function collectEvidence(
  platform: Platform,
  runtimeClaims: string,
): Promise<CollectedEvidence> {
  const claims = decodeBase64url(runtimeClaims);
  if (!claims) throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { part: 'runtime claims' });
  const quote = await platform.quote(reportDataOf(claims), claims);
  if (quote.azureVm) {
    // Its report binds the TPM's key and not our claims: as bare evidence it would be refused
    // anyway, but with a code that blames the platform (docs/platforms.md).
    const facts = { check: 'no-authority-for-vtpm', platform: platform.name };
    throw new StrongroomError('ERR_PLATFORM_UNAVAILABLE', facts);
  }
  return {
    report: encodeBase64url(quote.report),
    certificateChain: quote.certificateChain,
    runtimeClaims,
    ...(quote.uvmEndorsement ? { uvmEndorsement: encodeBase64url(quote.uvmEndorsement) } : {}),
  };
}

const API_VERSION = '2022-08-01';

/**
 * Asks an attestation service in Microsoft Azure Attestation's shape for a token.
 * @throws ERR_SERVICE_UNREACHABLE, ERR_TOKEN_INVALID, or the service's own code
 */
export async function requestToken(
  issuer: string,
  evidence: CollectedEvidence,
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

function requestBody(evidence: CollectedEvidence) {
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

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
