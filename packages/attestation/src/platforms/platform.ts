import type { AzureVmEvidence } from '../azure/vm-evidence.ts';

/** Where an attester gets its evidence from: one function, whatever the hardware. */
export interface Platform {
  readonly name: string;
  /**
   * @param reportData exactly 64 bytes, which the evidence will carry
   * @param runtimeData the bytes that these 64 bind (`reportDataOf`): some platforms take the data
   * itself and hash it on their own side
   */
  quote(reportData: Uint8Array, runtimeData?: Uint8Array): Promise<Quote>;
}

export interface Quote {
  /** 1184 bytes. */
  readonly report: Uint8Array;
  /** PEM: VCEK or VLEK, its authority, the root. */
  readonly certificateChain: string;
  /** Of an Azure confidential VM: there the TPM's quote carries the 64 bytes, not the report. */
  readonly azureVm?: AzureVmEvidence;
  /** Of Azure confidential containers: a COSE_Sign1 about the measurement. */
  readonly uvmEndorsement?: Uint8Array;
}
