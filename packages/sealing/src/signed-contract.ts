import { decodeBase64url } from '@strongroom/protocol/base64url';
import {
  CONTRACT_JWS_TYPE,
  type Contract,
  contractBytes,
  type Party,
  parseContract,
  parseContractBytes,
  type SignedContract,
  SignedContractSchema,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema, type PartyId } from '@strongroom/protocol/fields';
import { type JwsCodes, signerOf, verifyCompact } from './compact-jws.ts';
import { sha256Hex } from './digest.ts';
import { checkContractKeys } from './public-keys.ts';

const CONTRACT_CODES: JwsCodes = {
  malformed: 'ERR_CONTRACT_SIGNATURE_INVALID',
  algorithm: 'ERR_CONTRACT_SIGNATURE_INVALID',
  signature: 'ERR_CONTRACT_SIGNATURE_INVALID',
};

export interface VerifiedContract {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /** Every party, in the contract's order. */
  readonly signers: readonly PartyId[];
}

/**
 * Verifies a signed contract: shape, keys, and exactly one valid signature of every party.
 * @throws ERR_CONTRACT_MALFORMED, ERR_JSON_*, ERR_CONTRACT_UNSIGNED with the missing parties,
 *   ERR_CONTRACT_SIGNATURE_INVALID with the party, ERR_LIMIT_EXCEEDED
 */
export async function verifyContract(signed: unknown): Promise<VerifiedContract> {
  const { file, contract, contractId } = parseSigned(signed);
  checkContractKeys(contract);
  const signatures = await signaturesOf(file, contract);
  const invalid = signatures.find((each) => each.state === 'invalid');
  if (invalid) {
    throw new StrongroomError('ERR_CONTRACT_SIGNATURE_INVALID', { party: invalid.party });
  }
  const missing = signatures.filter((each) => each.state === 'missing').map((each) => each.party);
  if (missing.length > 0) throw new StrongroomError('ERR_CONTRACT_UNSIGNED', { missing });
  if (file.signatures.length !== contract.parties.length) {
    throw new StrongroomError('ERR_CONTRACT_SIGNATURE_INVALID', { party: 'not in the contract' });
  }
  if (file.consents !== undefined && contract.previous === undefined) {
    throw new StrongroomError('ERR_CONTRACT_MALFORMED', { place: 'consents' });
  }
  return { contract, contractId, signers: signatures.map((each) => each.party) };
}

export type SignatureState = 'valid' | 'invalid' | 'missing';

export interface ReadContract {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /** One entry a party, in the contract's order. */
  readonly signatures: readonly { readonly party: PartyId; readonly state: SignatureState }[];
}

/**
 * Reads a contract file, signed by all, by some or by nobody, to show it to people. Nothing may run
 * under what this returns: use `verifyContract`.
 * @throws ERR_CONTRACT_MALFORMED, ERR_JSON_*, ERR_LIMIT_EXCEEDED; never for a signature
 */
export async function readContract(text: string): Promise<ReadContract> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED');
  }
  const signed = typeof value === 'object' && value !== null && 'payload' in value;
  const read = signed ? parseSigned(value) : unsignedContract(value);
  const signatures = await signaturesOf(read.file, read.contract);
  return { contract: read.contract, contractId: read.contractId, signatures };
}

interface ParsedContract {
  readonly file: SignedContract;
  readonly contract: Contract;
  readonly contractId: ContractId;
}

function parseSigned(signed: unknown): ParsedContract {
  const file = SignedContractSchema.safeParse(signed);
  if (!file.success) {
    const place = file.error.issues[0]?.path.join('.') || '(document)';
    throw new StrongroomError('ERR_CONTRACT_MALFORMED', { place });
  }
  const payload = decodeBase64url(file.data.payload);
  if (!payload) throw new StrongroomError('ERR_CONTRACT_MALFORMED', { place: 'payload' });
  return {
    file: file.data,
    contract: parseContractBytes(payload),
    contractId: ContractIdSchema.parse(sha256Hex(payload)),
  };
}

function unsignedContract(value: unknown): ParsedContract {
  const contract = parseContract(value);
  const contractId = ContractIdSchema.parse(sha256Hex(contractBytes(contract)));
  return { file: { payload: '', signatures: [] }, contract, contractId };
}

async function signaturesOf(
  file: SignedContract,
  contract: Contract,
): Promise<{ party: PartyId; state: SignatureState }[]> {
  return Promise.all(
    contract.parties.map(async (party) => ({
      party: party.id,
      state: await signatureState(file, party),
    })),
  );
}

/** A party that signed twice has no valid signature: there is one form of a signed contract. */
async function signatureState(file: SignedContract, party: Party): Promise<SignatureState> {
  const [own, ...more] = file.signatures.filter((each) => signerOf(each.protected) === party.id);
  if (!own) return 'missing';
  if (more.length > 0) return 'invalid';
  const jws = `${own.protected}.${file.payload}.${own.signature}`;
  const expected = { typ: CONTRACT_JWS_TYPE, kid: party.id, key: party.signingKey };
  try {
    await verifyCompact(jws, expected, CONTRACT_CODES);
    return 'valid';
  } catch {
    return 'invalid';
  }
}
