import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract, EnclaveContract } from '@strongroom/protocol/contract';
import { ENCLAVE_DEMANDS } from '@strongroom/protocol/enclave-demands';
import type { ContractId } from '@strongroom/protocol/fields';
import { compileReleasePolicy } from './compile.ts';
import { diffPolicies, type PolicyDiff } from './diff.ts';
import { releasePolicyFor } from './from-contract.ts';
import { quoted } from './quoted.ts';

/** A contract, and the id under which its policy is derived. */
export interface IdentifiedContract {
  readonly contract: Pick<Contract, 'enclave'>;
  readonly contractId: ContractId;
}

/**
 * What changes for those who ask for a key when a contract follows another one. Its id always
 * changes, and with it the tokens that are accepted: everything else is compared as if it had not.
 * What no policy shows (it is for own verification) makes the relation `undecided`.
 * @throws what `releasePolicyFor` throws
 */
export function diffContracts(old: IdentifiedContract, now: IdentifiedContract): PolicyDiff {
  const compiled = ({ contract }: IdentifiedContract) =>
    compileReleasePolicy(JSON.stringify(releasePolicyFor(contract, old.contractId)));
  const diff = diffPolicies(compiled(old), compiled(now));
  const hidden = hiddenChanges(old.contract.enclave, now.contract.enclave);
  if (hidden.length === 0) return diff;
  return { ...diff, relation: 'undecided', changes: [...diff.changes, ...hidden] };
}

function hiddenChanges(old: EnclaveContract, now: EnclaveContract): string[] {
  const [before, after] = [hiddenParts(old, now), hiddenParts(now, old)];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.flatMap((name) => {
    const [left, right] = [before.get(name), after.get(name)].map((part) =>
      part === undefined ? 'nothing' : quoted(new TextDecoder().decode(canonicalBytes(part))),
    );
    const change = `changes from ${left} to ${right}`;
    return left === right ? [] : [`enclave.${name}, which no policy shows, ${change}`];
  });
}

/** Demands on the report itself, and the keys of the authorities that both contracts name. */
function hiddenParts(enclave: EnclaveContract, other: EnclaveContract): Map<string, unknown> {
  const demands = Object.entries(enclave).filter(
    ([name]) => name in ENCLAVE_DEMANDS && !SHOWN_DEMANDS.includes(name),
  );
  const floors = Object.entries(enclave.minimumTcb).flatMap(([product, { fmc, microcodeOf }]) => [
    [`minimumTcb.${product}.fmc`, fmc] as const,
    [`minimumTcb.${product}.microcodeOf`, microcodeOf] as const,
  ]);
  const pcrs = enclave.measurements.map(
    (each) => [`measurements[${each.sha384}].pcrs`, each.pcrs] as const,
  );
  const keys = enclave.authorities
    .filter(({ issuer }) => other.authorities.some((each) => each.issuer === issuer))
    .map((each) => [`authorities[${each.issuer}].keys`, each.keys] as const);
  const parts = [...demands, ...floors, ...pcrs, ...keys];
  return new Map<string, unknown>(parts.filter(([, part]) => part !== undefined));
}

const SHOWN_DEMANDS: readonly string[] = ['products', 'hostData'];
