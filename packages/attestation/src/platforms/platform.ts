/** Where an attester gets its evidence from: one function, whatever the hardware. */
export interface Platform {
  readonly name: string;
  /** @param reportData exactly 64 bytes, which the report will carry */
  quote(reportData: Uint8Array): Promise<Quote>;
}

export interface Quote {
  /** 1184 bytes. */
  readonly report: Uint8Array;
  /** PEM: VCEK or VLEK, its authority, the root. */
  readonly certificateChain: string;
}
