import { AGREEING_CLAIM, OWN_VERIFICATION_CLAIM } from './claim-types.ts';
import type { Condition } from './compile.ts';
import { quoted } from './quoted.ts';

/** Claims and values in words. Every text that is made here is visible ASCII. */

const SNP = 'x-ms-sevsnpvm-';

const CLAIM_WORDS: ReadonlyMap<string, string> = new Map([
  ['iss', 'issuer of the token'],
  ['secureboot', 'whether secure boot is on'],
  ['x-ms-attestation-type', 'kind of attestation'],
  ['x-ms-compliance-status', "Azure's compliance status"],
  ['x-ms-policy-hash', "hash of the authority's own policy"],
  [`${SNP}authorkeydigest`, 'digest of the author key'],
  [`${SNP}bootloader-svn`, 'version of the boot loader'],
  [`${SNP}familyId`, 'family of the image'],
  [`${SNP}guestsvn`, 'version that the guest gives itself'],
  [`${SNP}hostdata`, 'data that the host fixed at launch'],
  [`${SNP}idkeydigest`, 'digest of the ID key'],
  [`${SNP}imageId`, 'id of the image'],
  [`${SNP}is-debuggable`, 'whether the guest may be debugged'],
  [`${SNP}launchmeasurement`, 'measurement of the launched code'],
  [`${SNP}microcode-svn`, 'version of the microcode'],
  [`${SNP}migration-allowed`, 'whether the guest may be migrated'],
  [`${SNP}reportdata`, 'data that the guest put into the report'],
  [`${SNP}smt-allowed`, 'whether sibling threads are allowed'],
  [`${SNP}snpfw-svn`, 'version of the SNP firmware'],
  [`${SNP}tee-svn`, 'version of the TEE firmware'],
  [`${SNP}vmpl`, 'privilege level of the code'],
  ['x-ms-runtime.contract', 'contract that the code works for'],
  ['x-ms-runtime.purpose', 'purpose that the code states'],
  ['x-strongroom-platform', 'platform that was verified'],
  ['x-strongroom-product', 'product line of the processor'],
  [OWN_VERIFICATION_CLAIM, "verdict of the owner's own verification, which no token carries"],
  [AGREEING_CLAIM, 'number of authorities that agree, which no token carries'],
]);

const NESTED = 'x-ms-isolation-tee.';

/** For example `version of the microcode (x-ms-sevsnpvm-microcode-svn)`. */
export function claimText(claim: string): string {
  const words = CLAIM_WORDS.get(claim.startsWith(NESTED) ? claim.slice(NESTED.length) : claim);
  return words === undefined ? claim : `${words} (${claim})`;
}

/** REPORT_DATA, the longest value of a claim that somebody compares by eye, has 128 digits. */
const VALUE_CHARACTERS_MAX = 128;

/** Versions also in hex, as AMD's bulletins give them. */
export function valueText(claim: string, value: unknown): string {
  if (typeof value === 'string') return quoted(value, VALUE_CHARACTERS_MAX);
  if (typeof value === 'number') {
    const isVersion = /-svn$|^x-strongroom-tcb-/.test(claim) && value > 9;
    return isVersion ? `${value} (0x${value.toString(16)})` : String(value);
  }
  if (typeof value === 'boolean') return String(value);
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : 'an object';
}

const OPERATOR_WORDS: Readonly<Record<Exclude<Condition['operator'], 'exists'>, string>> = {
  equals: 'must be',
  notEquals: 'must be there and not be',
  less: 'must be less than',
  lessOrEquals: 'must be at most',
  greater: 'must be more than',
  greaterOrEquals: 'must be at least',
};

export function demandText({ claim, operator, expected }: Condition): string {
  const subject = claimText(claim);
  if (operator === 'exists') return `${subject} must be ${expected ? 'there' : 'missing'}`;
  return `${subject} ${OPERATOR_WORDS[operator]} ${valueText(claim, expected)}`;
}
