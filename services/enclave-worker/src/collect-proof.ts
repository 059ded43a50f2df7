import {
  type AttestationProof,
  createProof,
  issuerOf,
  proofTarget,
} from '@strongroom/protocol/attestation-proof';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf, dispositionOf, StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { agreementOf, needsWholeProof } from '@strongroom/protocol/guards';
import { z } from 'zod';
import type { WorkerOptions } from './life.ts';
import { requestToken } from './quote.ts';

/** From evidence to a proof: a token of every authority that the contract names. */

type Options = Pick<WorkerOptions, 'authorities' | 'ca' | 'logger' | 'tracing'>;

/** A proof, and the form of it that owners' key release is asked with. */
export interface CollectedProof {
  readonly proof: AttestationProof;
  readonly target: string;
}

/**
 * Asks all of the authorities at once. Those that fail are logged, and missed only where too few
 * remain: one that is down or lies does not stop what the others agree on.
 * @throws what better may come of later (`retry`) first; with one authority its own refusal;
 * ERR_AGREEMENT_MISSING
 */
export async function collectProof(
  evidence: Evidence,
  { enclave }: Contract,
  options: Options,
): Promise<CollectedProof> {
  const issuers = issuersOf(enclave, options.authorities);
  const { tracing } = options;
  const network = { tracing, ...(options.ca === undefined ? {} : { ca: options.ca }) };
  const answers = await Promise.allSettled(
    issuers.map(async (issuer) => {
      const token = await requestToken(issuer, evidence, network);
      demandOwn(token, issuer, evidence);
      options.logger.info('token-received', { url: issuer });
      return token;
    }),
  );
  const tokens = answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failures = answers.map((each) => (each.status === 'rejected' ? each.reason : undefined));
  for (const [index, failure] of failures.entries()) {
    if (failure === undefined) continue;
    const code = codeOf(failure) ?? 'ERR_INTERNAL';
    options.logger.warn('token-refused', { url: issuers[index], code });
  }
  const [first] = tokens;
  if (first === undefined || tokens.length < agreementOf(enclave)) {
    throw tooFew(tokens.length, agreementOf(enclave), issuers, failures);
  }
  if (!needsWholeProof(enclave)) return { proof: createProof(tokens), target: first };
  const proof = createProof(tokens, enclave.ownVerification ? evidence : undefined);
  return { proof, target: proofTarget(proof) };
}

/** In the contract's order. @throws ERR_CONFIG_INVALID for one that it does not name */
function issuersOf(enclave: Contract['enclave'], wanted: readonly string[]): readonly string[] {
  const issuers = enclave.authorities.map((authority) => authority.issuer);
  if (wanted.length === 0) return issuers;
  if (wanted.every((each) => issuers.includes(each))) {
    return issuers.filter((issuer) => wanted.includes(issuer));
  }
  throw new StrongroomError('ERR_CONFIG_INVALID', { setting: '--attestation', issuers });
}

const ClaimsSchema = z.looseObject({ 'x-ms-runtime': z.unknown() });

/**
 * A token about another worker would make the proof contradict itself, and one in another name take
 * the place of a true one; both are set aside. Who verifies the proof is told nothing by this.
 */
function demandOwn(token: string, issuer: string, { runtimeClaims }: Evidence): void {
  const payload = decodeBase64url(token.split('.')[1] ?? '');
  let isOwn = false;
  try {
    const claims = ClaimsSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
    const told = new TextDecoder().decode(canonicalBytes(claims['x-ms-runtime']));
    isOwn = told === new TextDecoder().decode(decodeBase64url(runtimeClaims));
  } catch {
    // Not even claims.
  }
  if (isOwn && issuerOf(token) === issuer) return;
  throw new StrongroomError('ERR_TOKEN_INVALID', { authority: issuer, check: 'about-us' });
}

function tooFew(
  agreed: number,
  agreement: number,
  issuers: readonly string[],
  failures: readonly unknown[],
): unknown {
  const failed = failures.filter((each) => each !== undefined);
  const later = failed.find((each) => dispositionOf(each) === 'retry');
  if (later !== undefined) return later;
  if (issuers.length === 1 && failed.length === 1) return failed[0];
  const refused = issuers.flatMap((issuer, index) => {
    const code = codeOf(failures[index]);
    return code === undefined ? [] : [`${issuer} ${code}`];
  });
  return new StrongroomError('ERR_AGREEMENT_MISSING', { agreement, agreed, refused });
}
