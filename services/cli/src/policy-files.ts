import {
  compileReleasePolicy,
  diffContracts,
  diffPolicies,
  type IdentifiedContract,
  type PolicyDiff,
  releasePolicyFor,
  withoutAddedClaims,
} from '@strongroom/attestation/release-policy';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { readContract } from '@strongroom/sealing/verify';
import { isObject, readJsonFile } from './contract-draft.ts';

/**
 * The claims that a token makes, read and not believed, or those of a file. Undefined when neither
 * is named.
 * @throws ERR_FILE_UNREADABLE, ERR_TOKEN_INVALID, ERR_JSON_MALFORMED
 */
export async function readClaims(options: {
  readonly token?: string;
  readonly claims?: string;
}): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (options.token !== undefined) {
    return withoutAddedClaims(claimsIn((await readTextFile(options.token)).trim()));
  }
  if (options.claims === undefined) return undefined;
  const claims = await readJsonFile(options.claims);
  if (!isObject(claims)) throw new StrongroomError('ERR_JSON_MALFORMED', { path: options.claims });
  return claims;
}

/** The payload of a compact JWT. */
function claimsIn(jwt: string): Record<string, unknown> {
  const [, payload = ''] = jwt.split('.');
  const bytes = decodeBase64url(payload);
  let claims: unknown;
  try {
    claims = JSON.parse(new TextDecoder().decode(bytes));
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
