import { encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { HTTP_TIMEOUT_MS, TOKEN_BYTES_MAX } from '@strongroom/protocol/limits';
import { z } from 'zod';
import type { SidecarEvidence } from './sidecar.ts';

const AnswerSchema = z.looseObject({ token: z.string().min(1).max(TOKEN_BYTES_MAX) });

/**
 * Asks an attestation service as the sidecar does. Plain HTTP to this machine alone.
 * @param authority a host, perhaps with a port
 * @throws ERR_SERVICE_UNREACHABLE, ERR_TOKEN_INVALID when it refuses
 */
export async function requestMaaToken(
  authority: string,
  evidence: SidecarEvidence,
): Promise<string> {
  const scheme = /^(127(\.\d+){3}|localhost)(:\d+)?$/.test(authority) ? 'http' : 'https';
  const url = `${scheme}://${authority}/attest/SevSnpVm?api-version=2022-08-01`;
  const encoded = (text: string) => encodeBase64url(new TextEncoder().encode(text));
  const inner = {
    SnpReport: encodeBase64url(evidence.report),
    VcekCertChain: encoded(evidence.certificateChain),
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
    body: JSON.stringify({
      report: encoded(JSON.stringify(inner)),
      runtimeData: { data: encodeBase64url(evidence.runtimeData), dataType: 'JSON' },
    }),
  }).catch(() => undefined);
  if (!response) throw new StrongroomError('ERR_SERVICE_UNREACHABLE', { authority });
  const answer = AnswerSchema.safeParse(await response.json().catch(() => undefined));
  if (response.status === 200 && answer.success) return answer.data.token;
  throw new StrongroomError('ERR_TOKEN_INVALID', { authority, status: response.status });
}
