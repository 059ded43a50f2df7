import {
  type AttestationClaims,
  attestationTypeOf,
  platformClaims,
  reportClaims,
  runtimeObject,
} from '../claims.ts';
import type { VerifiedEvidence } from '../verify.ts';
import type { GuestRequest } from './guest-request.ts';
import { ALL_PCRS } from './tpm-quote.ts';
import type { AzureVmBinding } from './vm-evidence.ts';

/**
 * The claims of a confidential VM in Azure's arrangement: what the hardware says lies under
 * `x-ms-isolation-tee` with the paravisor's runtime data, what the guest says lies outside of it.
 * Azure's boot claims (`x-ms-azurevm-*-enabled` and the like) come from the TCG log: we do not read
 * it, so we claim none of them.
 * @param vm checked against the same request, and `evidence` verified from its report
 * @throws ERR_EVIDENCE_MALFORMED
 */
export function guestClaims(
  evidence: VerifiedEvidence,
  vm: AzureVmBinding,
  bound: GuestRequest['bound'],
): AttestationClaims {
  const hcl = runtimeObject(vm.runtimeData);
  return {
    ...attestationTypeOf('azurevm', evidence),
    ...platformClaims(evidence),
    ...(vm.runtime.secureBoot === null ? {} : { secureboot: vm.runtime.secureBoot }),
    'x-ms-azurevm-attested-pcrs': ALL_PCRS,
    ...vmIdClaim(hcl),
    'x-ms-isolation-tee': {
      ...attestationTypeOf('sevsnpvm', evidence),
      ...reportClaims(evidence),
      'x-ms-runtime': hcl,
    },
    ...boundClaim(bound),
  };
}

/** The paravisor's own words, under the hardware's signature. */
function vmIdClaim(hcl: object): AttestationClaims {
  const configuration: unknown = Reflect.get(hcl, 'vm-configuration');
  if (typeof configuration !== 'object' || configuration === null) return {};
  const id: unknown = Reflect.get(configuration, 'vmUniqueId');
  return typeof id === 'string' ? { 'x-ms-azurevm-vmid': id } : {};
}

/** A challenge comes back as Azure writes it: base64 under `client-payload`. */
function boundClaim(bound: GuestRequest['bound']): AttestationClaims {
  if ('challenge' in bound) {
    const nonce = Buffer.from(bound.challenge).toString('base64');
    return { 'x-ms-runtime': { 'client-payload': { nonce } } };
  }
  return bound.dataType === 'JSON' ? { 'x-ms-runtime': runtimeObject(bound.runtimeData) } : {};
}
