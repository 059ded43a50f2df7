import type { Contract, EnclaveContract } from '@strongroom/protocol/contract';
import { ENCLAVE_DEMANDS, type TcbFloor } from '@strongroom/protocol/enclave-demands';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { POLICY_BYTES_MAX, POLICY_CONDITIONS_MAX } from '@strongroom/protocol/limits';

/** A release policy as JSON: always flat, since Azure's pages disagree on nesting. */
export interface ReleasePolicy {
  readonly version: '1.0.0';
  readonly anyOf: readonly AuthorityEntry[];
}

interface AuthorityEntry {
  readonly authority: string;
  readonly allOf: readonly ClaimCondition[];
}

type ClaimCondition = { readonly claim: string } & (
  | { readonly equals: string | number }
  | { readonly greaterOrEquals: number }
  | { readonly exists: 'true' | 'false' }
);

/**
 * What a key carries between its creation and the contract's signing: it contradicts itself (a
 * token of an authority has an issuer), under a name that can never resolve (RFC 2606 §2).
 */
export const DENY_ALL_POLICY: ReleasePolicy = {
  version: '1.0.0',
  anyOf: [{ authority: 'https://nobody.invalid', allOf: [{ claim: 'iss', exists: 'false' }] }],
};

/**
 * The policy under which every owner of a contract releases its keys: one entry per authority,
 * measurement and product line.
 *
 * `minimumTcb` names the product lines that are accepted, each with its floors; the numbers of one
 * line mean nothing on another, so an entry demands the line as well. When it is empty any line
 * passes without floors. Azure's own tokens do not tell the line: with floors they are refused.
 * @throws ERR_POLICY_MALFORMED when the contract demands what no token shows, for that would be a
 * demand that nobody enforces; ERR_LIMIT_EXCEEDED when the contract's lists multiply to more than a
 * policy may hold
 */
export function releasePolicyFor(
  contract: Pick<Contract, 'enclave'>,
  contractId: ContractId,
): ReleasePolicy {
  const { enclave } = contract;
  refuseUnenforced(enclave);
  const anyOf = enclave.authorities.flatMap(({ issuer }) =>
    enclave.measurements.flatMap(({ sha384 }) =>
      productConditions(enclave).map((product) => ({
        authority: issuer,
        allOf: [
          ...platformConditions(enclave, contractId),
          equals('x-ms-sevsnpvm-launchmeasurement', sha384),
          equals('x-ms-runtime.contract', contractId),
          equals('x-ms-runtime.purpose', 'strongroom/worker/v1'),
          ...product,
        ],
      })),
    ),
  );
  return withinLimits({ version: '1.0.0', anyOf });
}

/** Only an appraisal of the report itself can hold evidence to these (`appraisalPolicyFor`). */
function refuseUnenforced(enclave: EnclaveContract): void {
  const floors = Object.values(enclave.minimumTcb);
  const unseen = [
    ...Object.keys(ENCLAVE_DEMANDS).filter((each) => each !== 'products' && each in enclave),
    ...(floors.some((floor) => 'fmc' in floor) ? ['minimumTcb.fmc'] : []),
    ...(floors.some((floor) => 'microcodeOf' in floor) ? ['minimumTcb.microcodeOf'] : []),
    ...(enclave.measurements.some((each) => 'pcrs' in each) ? ['measurements.pcrs'] : []),
  ];
  const [first] = unseen;
  if (first === undefined) return;
  throw new StrongroomError('ERR_POLICY_MALFORMED', {
    place: `enclave.${first}`,
    problem: 'no token shows it: the report itself has to be appraised',
  });
}

function platformConditions(enclave: EnclaveContract, contractId: ContractId): ClaimCondition[] {
  if (enclave.platform === 'simulated') {
    return [
      equals('x-ms-attestation-type', 'sevsnpvm-simulated'),
      equals('x-strongroom-platform', 'simulated'),
      equals('x-ms-sevsnpvm-hostdata', contractId),
    ];
  }
  // No condition on HOST_DATA: on Azure it holds the security policy's hash. The contract is bound
  // by the runtime claims, which measured code wrote.
  return [
    equals('x-ms-attestation-type', 'sevsnpvm'),
    equals('x-ms-sevsnpvm-is-debuggable', 'false'),
    equals('x-ms-sevsnpvm-migration-allowed', 'false'),
    equals('x-ms-sevsnpvm-vmpl', 0),
  ];
}

function productConditions(enclave: EnclaveContract): ClaimCondition[][] {
  const lines = enclave.products ?? Object.keys(enclave.minimumTcb);
  if (lines.length === 0) return [[]];
  const floors = new Map(Object.entries(enclave.minimumTcb));
  return lines.map((product) => [
    equals('x-strongroom-product', product),
    ...floorConditions(floors.get(product)),
  ]);
}

function floorConditions(floor: TcbFloor | undefined): ClaimCondition[] {
  if (!floor) return [];
  return [
    atLeast('x-ms-sevsnpvm-bootloader-svn', floor.bootLoader),
    atLeast('x-ms-sevsnpvm-tee-svn', floor.tee),
    atLeast('x-ms-sevsnpvm-snpfw-svn', floor.snp),
    atLeast('x-ms-sevsnpvm-microcode-svn', floor.microcode),
  ];
}

function equals(claim: string, value: string | number): ClaimCondition {
  return { claim, equals: value };
}

function atLeast(claim: string, floor: number): ClaimCondition {
  return { claim, greaterOrEquals: floor };
}

function withinLimits(policy: ReleasePolicy): ReleasePolicy {
  const conditions = policy.anyOf.reduce((sum, entry) => sum + entry.allOf.length, 0);
  if (conditions > POLICY_CONDITIONS_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'POLICY_CONDITIONS_MAX', conditions });
  }
  const bytes = new TextEncoder().encode(JSON.stringify(policy)).length;
  if (bytes > POLICY_BYTES_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'POLICY_BYTES_MAX', bytes });
  }
  return policy;
}
