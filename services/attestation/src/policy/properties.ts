import { type ClaimSource, type ClaimValue, malformed, type Position } from './tree.ts';

/**
 * What `issueproperty` may say here. A property that we would not act on is refused, except where
 * what it asks for holds anyway.
 */
const PROPERTIES: Readonly<Record<string, (value: ClaimValue) => boolean>> = {
  /** Between a minute and Azure's eight hours. */
  report_validity_in_minutes: (value) => isBetween(value, 1, 480),
  /** Every quote has to cover all PCRs. */
  required_pcr_mask: (value) => isBetween(value, 0, 0xff_ffff),
  /** The issuer of the certificate is not judged; the report vouches for the key. */
  require_valid_aik_cert: (value) => value === false,
  /** No token carries a certificate in its header. */
  omit_x5c: (value) => value === true,
  /** Of Intel's platform: it stands in Azure's published policies and says nothing of ours. */
  'x-ms-sgx-tcbidentifier': (value) => typeof value === 'string',
};

function isBetween(value: ClaimValue, low: number, high: number): boolean {
  return typeof value === 'number' && value >= low && value <= high;
}

export function isProperty(type: string, value: ClaimValue): boolean {
  return Object.hasOwn(PROPERTIES, type) && PROPERTIES[type]?.(value) === true;
}

/** What is written in the policy is judged when it is set. */
export function demandPropertyRule(claim: ClaimSource, at: Position): void {
  if (claim.from === 'name' || claim.type.kind !== 'literal') return;
  const type = String(claim.type.value);
  if (!Object.hasOwn(PROPERTIES, type)) {
    throw malformed(`a property of ${Object.keys(PROPERTIES).join(', ')}`, at);
  }
  if (claim.value.kind === 'literal' && !isProperty(type, claim.value.value)) {
    throw malformed(`a value of ${type} that this service can keep`, claim.value.at);
  }
}
