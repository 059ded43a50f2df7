import type { LaunchOptions } from './simulated-platform.ts';

/**
 * Launches that must be refused, each for one reason, by name:
 *
 *     platform.launch({ ...whatIsLaunched, ...SCENARIOS.debug })
 */
export const SCENARIOS = {
  debug: { debug: true },
  'other-vmpl': { vmpl: 1 },
  'host-requested': { hostRequested: true },
  'old-tcb': oldTcb(),
  'provisional-firmware': { firmware: { current: { major: 1, minor: 99, build: 0 } } },
  'old-firmware': oldFirmware(),
  'wrong-chip': { otherChip: true },
  'expired-chain': { expired: true },
  'version-4': { version: 4 },
  'migration-allowed': { guestPolicy: 0x70000n },
  'migration-agent': { migrationAgent: new Uint8Array(32).fill(1) },
  'masked-chip-key': { masked: 'chip-key' },
  'masked-chip-id': { masked: 'chip-id' },
  'provider-key': { signer: 'vlek' },
  'no-alias-check': { platformInfo: 0x5n },
} as const satisfies Record<string, Partial<LaunchOptions>>;

/** Launches that are as good as any, in every form that a verifier must read. */
export const VARIANTS = {
  milan: { product: 'Milan' },
  genoa: { product: 'Genoa' },
  turin: { product: 'Turin' },
  'version-2': { version: 2 },
  'version-3': { version: 3 },
  'version-5': { version: 5 },
  'turin-version-5': { product: 'Turin', version: 5 },
} as const satisfies Record<string, Partial<LaunchOptions>>;

/** Boot loader 9, SNP 20, microcode 80 on a Genoa: before EntrySign was closed. */
function oldTcb(): Partial<LaunchOptions> {
  const old = { bootLoader: 9, snp: 20, microcode: 80 };
  return { tcb: { reported: old, committed: old, launch: old, current: old } };
}

function oldFirmware(): Partial<LaunchOptions> {
  const old = { major: 1, minor: 51, build: 3 };
  return { firmware: { current: old, committed: old } };
}
