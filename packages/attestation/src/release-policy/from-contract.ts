import type { Contract, EnclaveContract } from '@strongroom/protocol/contract';
import { ENCLAVE_DEMANDS, type TcbFloor } from '@strongroom/protocol/enclave-demands';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { agreementOf } from '@strongroom/protocol/guards';
import { POLICY_BYTES_MAX, POLICY_CONDITIONS_MAX } from '@strongroom/protocol/limits';
import { AGREEING_CLAIM, NESTED, OWN_VERIFICATION_CLAIM } from './claim-types.ts';

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
 * @throws ERR_POLICY_MALFORMED when the contract demands what no token shows and has nobody look at
 * the report itself, for that would be a demand that nobody enforces; ERR_LIMIT_EXCEEDED when the
 * contract's lists multiply to more than a policy may hold
 */
export function releasePolicyFor(
  contract: Pick<Contract, 'enclave'>,
  contractId: ContractId,
): ReleasePolicy {
  const { enclave } = contract;
  if (enclave.ownVerification !== true) refuseUnenforced(enclave);
  const anyOf = enclave.authorities.flatMap(({ issuer }) =>
    enclave.measurements.flatMap((measurement) => {
      const tee = measurement.pcrs ? NESTED : '';
      return hostDataOf(enclave, contractId).flatMap((hostData) =>
        productConditions(enclave, tee).map((product) => ({
          authority: issuer,
          allOf: [
            ...platformConditions(enclave, tee),
            equals(`${tee}x-ms-sevsnpvm-launchmeasurement`, measurement.sha384),
            ...hostData.map((each) => equals(`${tee}x-ms-sevsnpvm-hostdata`, each)),
            equals('x-ms-runtime.contract', contractId),
            equals('x-ms-runtime.purpose', 'strongroom/worker/v1'),
            ...product,
            ...complianceConditions(enclave),
            ...guardConditions(enclave),
          ],
        })),
      );
    }),
  );
  return withinLimits({ version: '1.0.0', anyOf });
}

/** Only an appraisal of the report itself can hold evidence to these (`appraisalPolicyFor`). */
function refuseUnenforced(enclave: EnclaveContract): void {
  const floors = Object.values(enclave.minimumTcb);
  const unseen = [
    ...Object.keys(ENCLAVE_DEMANDS).filter((each) => each in enclave && !isShown(each, enclave)),
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

/** Of the utility VM a token shows that Microsoft is content with it, but not its version. */
function isShown(demand: string, { uvm }: EnclaveContract): boolean {
  if (demand === 'uvm') return uvm?.minimumSvn === 0 && uvm.feed === undefined;
  return demand === 'products' || demand === 'hostData';
}

/**
 * On hardware a contract that is silent has no condition on HOST_DATA: the cloud puts the hash of
 * its own policy there. The contract is bound by the runtime claims, which measured code wrote.
 */
function hostDataOf(enclave: EnclaveContract, contractId: ContractId): string[][] {
  if (enclave.hostData) return enclave.hostData.map((each) => [each]);
  return enclave.platform === 'simulated' ? [[contractId]] : [[]];
}

/** @param tee where the hardware's claims are: a confidential VM's token has them one level down */
function platformConditions(enclave: EnclaveContract, tee: string): ClaimCondition[] {
  if (enclave.platform === 'simulated') {
    return [...typeConditions('-simulated', tee), equals('x-strongroom-platform', 'simulated')];
  }
  return [
    ...typeConditions('', tee),
    equals(`${tee}x-ms-sevsnpvm-is-debuggable`, 'false'),
    equals(`${tee}x-ms-sevsnpvm-migration-allowed`, 'false'),
    equals(`${tee}x-ms-sevsnpvm-vmpl`, 0),
  ];
}

function typeConditions(simulated: string, tee: string): ClaimCondition[] {
  const type = 'x-ms-attestation-type';
  const hardware = equals(`${tee}${type}`, `sevsnpvm${simulated}`);
  return tee === '' ? [hardware] : [equals(type, `azurevm${simulated}`), hardware];
}

function productConditions(enclave: EnclaveContract, tee: string): ClaimCondition[][] {
  const lines = enclave.products ?? Object.keys(enclave.minimumTcb);
  if (lines.length === 0) return [[]];
  const floors = new Map(Object.entries(enclave.minimumTcb));
  return lines.map((product) => [
    equals('x-strongroom-product', product),
    ...floorConditions(floors.get(product), tee),
  ]);
}

function floorConditions(floor: TcbFloor | undefined, tee: string): ClaimCondition[] {
  if (!floor) return [];
  return [
    atLeast(`${tee}x-ms-sevsnpvm-bootloader-svn`, floor.bootLoader),
    atLeast(`${tee}x-ms-sevsnpvm-tee-svn`, floor.tee),
    atLeast(`${tee}x-ms-sevsnpvm-snpfw-svn`, floor.snp),
    atLeast(`${tee}x-ms-sevsnpvm-microcode-svn`, floor.microcode),
  ];
}

/** Who reads the endorsement itself needs no word of Azure's on it, and others give none. */
function complianceConditions({ uvm, ownVerification }: EnclaveContract): ClaimCondition[] {
  if (!uvm || ownVerification === true) return [];
  return [equals('x-ms-compliance-status', 'azure-compliant-uvm')];
}

/**
 * Claims that only our own key release adds (`demandAgreement`): an Azure vault, which counts no
 * authorities and reads no report, never has them and releases nothing.
 */
function guardConditions(enclave: EnclaveContract): ClaimCondition[] {
  const agreement = agreementOf(enclave);
  return [
    ...(enclave.ownVerification === true ? [equals(OWN_VERIFICATION_CLAIM, 'accepted')] : []),
    ...(agreement > 1 ? [atLeast(AGREEING_CLAIM, agreement)] : []),
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
