import type { Contract } from '@strongroom/protocol/contract';

/** What a deployment is made from; the demo, the tests and the bench each have their own. */
export interface DeploymentPlan {
  /** Parties with a key release service. */
  readonly owners: readonly string[];
  /** Parties with a reading key. */
  readonly analysts: readonly string[];
  /** Owners with a reading key: each has a ledger of uses. */
  readonly uses?: readonly string[];
  /** The contract, once every public part of it exists. */
  contract(parts: PublicParts): Contract;
  /** Datasets whose streams the contract names. */
  readonly streams?: Readonly<Record<string, readonly { id: string; partition: number }[]>>;
  /** Whether owners keep leases: then one contract runs in one namespace, once. */
  readonly leases?: boolean;
  /** The owner that keeps its lease beside its keys, in a ledger, and knows the worker there by a certificate. */
  readonly leaseBeside?: string;
  /** Whose key is under how many of these owners. */
  readonly sharedKey?: {
    readonly owner: string;
    readonly threshold: number;
    readonly holders: readonly string[];
  };
  /** Secrets that a test wants to recognise later; random ones otherwise. */
  readonly secrets?: PlannedSecrets;
}

export interface PublicParts {
  readonly signingKeys: Readonly<Record<string, unknown>>;
  readonly readingKeys: Readonly<Record<string, unknown>>;
  readonly vaults: Readonly<Record<string, VaultParts>>;
  readonly measurement: string;
  readonly authorities: readonly PlannedAuthority[];
}

export interface PlannedAuthority {
  readonly issuer: string;
  readonly keys: readonly unknown[];
}

export interface VaultParts {
  readonly url: string;
  readonly releaseKey: unknown;
  /** With its version. */
  readonly keyId: string;
  readonly wrappingKey: unknown;
  readonly keyShares?: unknown;
  /** Where it is kept, if not with the keys. */
  readonly lease?: PlannedLease;
}

export interface PlannedLease {
  readonly url: string;
  readonly statementKey: unknown;
}

export interface PlannedSecrets {
  masterKey(owner: string): Uint8Array;
  accessToken(): string;
  adminToken(owner: string): string;
  /** 32 bytes; imported instead of created. */
  stateShare(owner: string): Uint8Array;
}

/** Every owner of a deployment has these two keys. */
export const WRAPPING_KEY_ID = 'wrapping-key';
export const STATE_SHARE_ID = 'state-share';

/** Parties, key release and enclave of a contract, in the form that the schema wants. */
export function partiesOf(plan: DeploymentPlan, parts: PublicParts): unknown[] {
  const named = (id: string) => ({
    id,
    name: id.replaceAll('-', ' '),
    signingKey: parts.signingKeys[id],
  });
  const owner = (id: string) => ({
    ...named(id),
    ...(plan.uses?.includes(id) ? { readingKey: parts.readingKeys[id] } : {}),
    keyRelease: {
      url: parts.vaults[id]?.url,
      releaseKey: parts.vaults[id]?.releaseKey,
      stateShareKeyId: STATE_SHARE_ID,
      ...(plan.leases ? { lease: leaseOf(parts.vaults[id]) } : {}),
    },
  });
  const analyst = (id: string) => ({ ...named(id), readingKey: parts.readingKeys[id] });
  return [...plan.owners.map(owner), ...plan.analysts.map(analyst)];
}

function leaseOf(vault: VaultParts | undefined) {
  return vault?.lease ?? { url: vault?.url, statementKey: vault?.releaseKey };
}

export function enclaveOf(parts: PublicParts): unknown {
  return {
    platform: 'simulated',
    measurements: [{ name: 'this checkout', sha384: parts.measurement }],
    minimumTcb: {},
    authorities: parts.authorities,
    // Every guard that there is: both authorities, and the owners' and readers' own look.
    agreement: parts.authorities.length,
    ownVerification: true,
  };
}

export function ownedBy(parts: PublicParts, owner: string) {
  const { keyId, wrappingKey, keyShares } = parts.vaults[owner] ?? {};
  return { owner, keyId, wrappingKey, ...(keyShares ? { keyShares } : {}) };
}
