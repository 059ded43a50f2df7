import { issuerOf } from '@strongroom/protocol/attestation-proof';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { RuntimeClaims } from '@strongroom/protocol/evidence';
import { AGREEING_CLAIM, OWN_VERIFICATION_CLAIM } from './release-policy/claim-types.ts';
import { type CompiledPolicy, evaluatePolicy, type Reason } from './release-policy.ts';
import { runtimeClaimsOf, type TokenClaims } from './token.ts';

/** A token that does not count, and why. */
interface RefusedToken {
  readonly issuer: string;
  readonly error: unknown;
}

/** Verified tokens of different authorities about one and the same worker. */
export interface OneWorker {
  readonly runtime: RuntimeClaims;
  readonly tokens: readonly [TokenClaims, ...TokenClaims[]];
  readonly refused: readonly RefusedToken[];
}

/**
 * Verifies every token by itself: one that is refused does not speak for the others.
 * @param verify tells whether a token is its authority's own
 * @throws ERR_AGREEMENT_MISSING when the tokens that verify are about different workers; when none
 *   does, what is wrong with the first; what `verify` throws that has no code of ours
 */
export async function verifyTokens(
  tokens: readonly string[],
  verify: (token: string) => Promise<TokenClaims>,
): Promise<OneWorker> {
  const verified: TokenClaims[] = [];
  const workers = new Map<string, RuntimeClaims>();
  const refused: RefusedToken[] = [];
  for (const token of tokens) {
    try {
      const claims = await verify(token);
      const runtime = runtimeClaimsOf(claims);
      workers.set(new TextDecoder().decode(canonicalBytes(runtime)), runtime);
      verified.push(claims);
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      refused.push({ issuer: issuerOf(token), error });
    }
  }
  const [first, ...more] = verified;
  const [runtime, ...others] = workers.values();
  if (!first || !runtime) throw refused[0]?.error;
  if (others.length > 0) {
    const facts = { check: 'one-worker', workers: workers.size };
    throw new StrongroomError('ERR_AGREEMENT_MISSING', facts);
  }
  return { runtime, tokens: [first, ...more], refused };
}

/**
 * The tokens that a policy grants, as many of them as stand together: a token counts while its own
 * claims, and how many agree, meet the policy; one that does not is dropped, and the others are
 * judged again without it.
 * @param isVerified the raw evidence was verified and appraised here
 * @returns the claims of the tokens that stand, one at least
 * @throws ERR_POLICY_DENIED, ERR_MEASUREMENT_MISMATCH, ERR_AGREEMENT_MISSING with all that is unmet
 */
export function demandAgreement(
  policy: CompiledPolicy,
  { tokens, refused }: OneWorker,
  isVerified: boolean,
): readonly TokenClaims[] {
  let standing: readonly TokenClaims[] = tokens;
  const unmet: UnmetCondition[] = [];
  for (;;) {
    const agreeing = standing.length;
    const kept = standing.filter((claims) => {
      const verdict = evaluatePolicy(policy, withOurs(claims, agreeing, isVerified));
      const missed = verdict.reasons.filter(({ met }) => !met);
      if (!verdict.granted) unmet.push(...missed.map((each) => ({ ...each, issuer: claims.iss })));
      return verdict.granted;
    });
    if (kept.length === 0) throw denial(unmet, refused);
    if (kept.length === agreeing) return kept;
    standing = kept;
  }
}

interface UnmetCondition extends Reason {
  readonly issuer: string;
}

/** What only this verifier can say; a token that says it is not believed. */
function withOurs(claims: TokenClaims, agreeing: number, isVerified: boolean) {
  const { [OWN_VERIFICATION_CLAIM]: _own, [AGREEING_CLAIM]: _agreeing, ...told } = claims;
  const own = isVerified ? { [OWN_VERIFICATION_CLAIM]: OWN_VERIFICATION_ACCEPTED } : {};
  return { ...told, ...own, [AGREEING_CLAIM]: agreeing };
}

const OWN_VERIFICATION_ACCEPTED = 'accepted';

/** What was wrong with a token says more than that it is missing among the others. */
function denial(unmet: readonly UnmetCondition[], refused: readonly RefusedToken[]) {
  const own = unmet.filter(({ claim }) => claim !== AGREEING_CLAIM);
  const facts = {
    authority: unmet[0]?.issuer ?? '',
    unmet: (own.length > 0 ? own : unmet).map(sentenceOf),
    ...(refused.length > 0 ? { refused: refused.map(refusalOf) } : {}),
  };
  return new StrongroomError(denialCode(unmet, own), facts);
}

const MEASUREMENT = 'x-ms-sevsnpvm-launchmeasurement';

function denialCode(unmet: readonly Reason[], own: readonly Reason[]): ErrorCode {
  if (unmet.length > 0 && own.length === 0) return 'ERR_AGREEMENT_MISSING';
  const isMeasurement = ({ claim }: Reason) =>
    claim === MEASUREMENT || claim === `x-ms-isolation-tee.${MEASUREMENT}`;
  if (own.length > 0 && own.every(isMeasurement)) return 'ERR_MEASUREMENT_MISMATCH';
  return 'ERR_POLICY_DENIED';
}

/** Claims are what the requester itself brought; no secret is among them. */
function sentenceOf({ claim, operator, expected, found }: Reason): string {
  return `${claim} ${operator} ${expected}, found ${found ?? 'no such claim'}`;
}

const ISSUER_CHARACTERS_MAX = 120;

/** The name is out of a token that nobody has verified: shown only when it is plain and short. */
function refusalOf({ issuer, error }: RefusedToken): string {
  const plain = /^[\w.:/-]+$/.test(issuer) ? issuer : '(no issuer)';
  return `${plain.slice(0, ISSUER_CHARACTERS_MAX)} ${codeOf(error)}`;
}
