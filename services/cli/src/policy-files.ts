import {
  compileReleasePolicy,
  diffContracts,
  diffPolicies,
  type IdentifiedContract,
  type PolicyDiff,
  releasePolicyFor,
  SUPPOSED_GUARDS,
  withoutAddedClaims,
} from '@strongroom/attestation/release-policy';
import {
  type AttestationProof,
  parseProof,
  parseTarget,
} from '@strongroom/protocol/attestation-proof';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { readContract } from '@strongroom/sealing/verify';
import { isObject } from './json.ts';

export interface ClaimsOptions {
  readonly token?: string;
  readonly claims?: string;
  /** As if own verification had accepted and every authority agreed: no token says so. */
  readonly supposeGuards?: boolean;
}

/**
 * The claims of each token of a file, read and not believed, or those of a file of claims. Empty
 * when neither is named.
 * @throws ERR_FILE_UNREADABLE, ERR_TOKEN_INVALID, ERR_JSON_MALFORMED
 */
export async function readClaims(options: ClaimsOptions): Promise<readonly Claims[]> {
  if (options.claims !== undefined) {
    const claims = await readJsonFile(options.claims);
    if (isObject(claims)) return [claims];
    throw new StrongroomError('ERR_JSON_MALFORMED', { path: options.claims });
  }
  if (options.token === undefined) return [];
  const { tokens } = proofIn((await readTextFile(options.token)).trim());
  const supposed = options.supposeGuards ? SUPPOSED_GUARDS : {};
  return tokens.map((jwt) => ({ ...withoutAddedClaims(claimsIn(jwt)), ...supposed }));
}

type Claims = Readonly<Record<string, unknown>>;

/** A token, or an attestation proof as it is asked with or as it stands on the log. */
function proofIn(text: string): AttestationProof {
  return text.startsWith('{') ? parseProof(new TextEncoder().encode(text)) : parseTarget(text);
}

/** The payload of a compact JWT. */
function claimsIn(jwt: string): Claims {
  const [, payload = ''] = jwt.split('.');
  let claims: unknown;
  try {
    claims = JSON.parse(new TextDecoder().decode(decodeBase64url(payload)));
  } catch {
    throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'form' });
  }
  if (!isObject(claims)) throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'claims' });
  return claims;
}

/**
 * Compares two files, each of them a release policy or a contract. Two contracts are compared apart
 * from their ids. Contracts need not be signed yet: one reads what changes before one signs.
 * @returns the difference, and what a person should know of it
 * @throws ERR_FILE_UNREADABLE, ERR_POLICY_MALFORMED, ERR_CONTRACT_MALFORMED
 */
export async function diffFiles(
  old: string,
  now: string,
): Promise<PolicyDiff & { notices: readonly string[] }> {
  const [before, after] = [await readSide(old), await readSide(now)];
  const notices = [...before.notices, ...after.notices];
  if (before.identified && after.identified) {
    const [from, to] = [before.identified.contractId, after.identified.contractId];
    const ids = `contract ${from} is followed by ${to}, whose policy refuses its tokens;`;
    const notice = from === to ? [] : [`${ids} compared as if the id were the same`];
    return {
      ...diffContracts(before.identified, after.identified),
      notices: [...notices, ...notice],
    };
  }
  return { ...diffPolicies(compiledSide(before), compiledSide(after)), notices };
}

interface Side {
  readonly text: string;
  readonly identified?: IdentifiedContract;
  readonly notices: readonly string[];
}

async function readSide(path: string): Promise<Side> {
  const text = await readTextFile(path);
  if (!isContract(text)) return { text, notices: [] };
  const { contract, contractId, signatures } = await readContract(text);
  const missing = signatures.filter((each) => each.state !== 'valid').map((each) => each.party);
  const notice = `${path}: not signed by ${missing.join(', ')}`;
  return {
    text,
    identified: { contract, contractId },
    notices: missing.length > 0 ? [notice] : [],
  };
}

/** Anything else is judged as a policy, whose compiler says what is wrong with it. */
function isContract(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && 'payload' in value;
  } catch {
    return false;
  }
}

function compiledSide({ text, identified }: Side) {
  if (!identified) return compileReleasePolicy(text);
  const policy = releasePolicyFor(identified.contract, identified.contractId);
  return compileReleasePolicy(JSON.stringify(policy));
}
