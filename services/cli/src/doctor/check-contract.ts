import { isDeepStrictEqual } from 'node:util';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { parseIdentity } from '@strongroom/sealing/identity';
import { readContract } from '@strongroom/sealing/verify';
import { type Finding, fail, ok, warn } from './checks.ts';

export interface ReadContract {
  readonly findings: readonly Finding[];
  /** What the file says, signed or not: what it names can be looked at all the same. */
  readonly contract?: Contract;
  readonly contractId?: Awaited<ReturnType<typeof readContract>>['contractId'];
}

export async function checkContract(
  path: string,
  identities: readonly string[],
): Promise<ReadContract> {
  try {
    const { contract, contractId, signatures } = await readContract(await readTextFile(path));
    const missing = signatures.filter(({ state }) => state !== 'valid').map(({ party }) => party);
    const title = `${contractId.slice(0, 16)}…, version ${contract.version}`;
    const signed =
      missing.length === 0
        ? ok('contract-signed', `${title}: signed by all ${signatures.length}`)
        : fail('contract-signed', `${title}: not signed by ${missing.join(', ')}`);
    const own = await Promise.all(identities.map((each) => identityIn(contract, each)));
    return { findings: [signed, ...own], contract, contractId };
  } catch (error) {
    const code = codeOf(error) ?? 'unreadable';
    return { findings: [fail('contract-signed', `${path}: no contract (${code})`)] };
  }
}

async function identityIn({ parties }: Contract, path: string): Promise<Finding> {
  const code = 'identity-in-contract';
  const text = await readTextFile(path).catch(() => '');
  try {
    const { party, signer, reader } = parseIdentity(text);
    const named = parties.find(({ id }) => id === party);
    if (!named) return fail(code, `${party} is no party of it`);
    if (!isDeepStrictEqual(named.signingKey, signer.publicKey)) {
      return fail(code, `${party}: the contract names another signing key`);
    }
    if (named.readingKey && !isDeepStrictEqual(named.readingKey, reader?.publicKey)) {
      return fail(code, `${party}: the contract names another reading key`);
    }
    return ok(code, `${party}: the keys are the contract's`);
  } catch {
    return warn(code, `${path}: no identity to compare`);
  }
}
