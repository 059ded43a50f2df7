/**
 * The declared type of every claim that a policy may name by its meaning. Azure's policies write
 * booleans and integers as strings ("false", "0") where tokens carry real ones: the type decides,
 * once, when the policy is set, what such a string means. Nothing is converted afterwards.
 */
export type ClaimType = 'string' | 'integer' | 'boolean';

const SNP = 'x-ms-sevsnpvm-';
const VM = 'x-ms-azurevm-';
const VM_CONFIGURATION = 'x-ms-runtime.vm-configuration.';

/** No token is believed about these two: who judges a token adds them (`demandAgreement`). */
export const OWN_VERIFICATION_CLAIM = 'x-strongroom-own-verification';
export const AGREEING_CLAIM = 'x-strongroom-agreeing-authorities';

/** Microsoft Azure Attestation's claims of an SEV-SNP container or VM, and Strongroom's own. */
const CLAIM_TYPES: ReadonlyMap<string, ClaimType> = new Map<string, ClaimType>([
  ['iss', 'string'],
  ['iat', 'integer'],
  ['nbf', 'integer'],
  ['exp', 'integer'],
  ['jti', 'string'],
  ['nonce', 'string'],
  ['secureboot', 'boolean'],
  ['x-ms-ver', 'string'],
  ['x-ms-attestation-type', 'string'],
  ['x-ms-compliance-status', 'string'],
  ['x-ms-policy-hash', 'string'],
  [`${SNP}authorkeydigest`, 'string'],
  [`${SNP}bootloader-svn`, 'integer'],
  [`${SNP}familyId`, 'string'],
  [`${SNP}guestsvn`, 'integer'],
  [`${SNP}hostdata`, 'string'],
  [`${SNP}idkeydigest`, 'string'],
  [`${SNP}imageId`, 'string'],
  [`${SNP}is-debuggable`, 'boolean'],
  [`${SNP}launchmeasurement`, 'string'],
  [`${SNP}microcode-svn`, 'integer'],
  [`${SNP}migration-allowed`, 'boolean'],
  [`${SNP}reportdata`, 'string'],
  [`${SNP}reportid`, 'string'],
  [`${SNP}smt-allowed`, 'boolean'],
  [`${SNP}snpfw-svn`, 'integer'],
  [`${SNP}tee-svn`, 'integer'],
  [`${SNP}vmpl`, 'integer'],
  ...typed('boolean', VM, [
    ...['bootdebug-enabled', 'dbvalidated', 'dbxvalidated', 'debuggersdisabled', 'elam-enabled'],
    ...['default-securebootkeysvalidated', 'flightsigning-enabled', 'hypervisordebug-enabled'],
    ...['is-windows', 'kerneldebug-enabled', 'signingdisabled', 'testsigning-enabled'],
  ]),
  ...typed('integer', VM, ['hvci-policy', 'osversion-major', 'osversion-minor']),
  ...typed('string', VM, ['attestation-protocol-ver', 'osbuild', 'osdistro', 'ostype', 'vmid']),
  ...typed('boolean', VM_CONFIGURATION, ['console-enabled', 'secure-boot', 'tpm-enabled']),
  ...typed('integer', VM_CONFIGURATION, ['current-time']),
  ...typed('string', VM_CONFIGURATION, ['vmUniqueId']),
  ['x-ms-runtime.contract', 'string'],
  ['x-ms-runtime.nonce', 'string'],
  ['x-ms-runtime.purpose', 'string'],
  ['x-ms-runtime.client-payload.nonce', 'string'],
  [OWN_VERIFICATION_CLAIM, 'string'],
  [AGREEING_CLAIM, 'integer'],
  ['x-strongroom-platform', 'string'],
  ['x-strongroom-product', 'string'],
  ['x-strongroom-signing-key', 'string'],
  ['x-strongroom-debug-allowed', 'boolean'],
  ['x-strongroom-platform-info', 'string'],
  ...['committed', 'launch', 'current'].flatMap((tcb) =>
    typed('integer', `x-strongroom-tcb-${tcb}.`, ['fmc', 'bootLoader', 'tee', 'snp', 'microcode']),
  ),
]);

function typed(type: ClaimType, prefix: string, names: string[]): [string, ClaimType][] {
  return names.map((name) => [`${prefix}${name}`, type]);
}

/** A confidential VM's token carries the same claims one level down. */
export const NESTED = 'x-ms-isolation-tee.';

/** Undefined for a claim that is not declared: a literal then means exactly its own JSON type. */
export function claimTypeOf(claim: string): ClaimType | undefined {
  const name = claim.startsWith(NESTED) ? claim.slice(NESTED.length) : claim;
  return CLAIM_TYPES.get(name);
}
