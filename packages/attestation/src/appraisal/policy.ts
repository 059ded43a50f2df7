import { type EnclaveContract, PLATFORM_KINDS, PRODUCTS } from '@strongroom/protocol/contract';
import {
  ENCLAVE_DEMANDS,
  type KillList,
  PcrsSchema,
  TcbFloorSchema,
} from '@strongroom/protocol/enclave-demands';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ContractIdSchema, Sha256HexSchema, Sha384HexSchema } from '@strongroom/protocol/fields';
import { z } from 'zod';

/**
 * What the evidence must show. There is no default for what is security's core: platform, code,
 * host data and the floors, whose products are the accepted ones unless `products` names them.
 */
export const AppraisalPolicySchema = z.strictObject({
  ...ENCLAVE_DEMANDS,
  platform: z.enum(PLATFORM_KINDS),
  minimumTcb: z.partialRecord(z.enum(PRODUCTS), TcbFloorSchema),
  /** SHA-384 in hex; one of them. With PCRs it is a paravisor's, and the PCRs name what it runs. */
  measurements: z
    .array(
      z.union([Sha384HexSchema, z.strictObject({ sha384: Sha384HexSchema, pcrs: PcrsSchema })]),
    )
    .min(1),
  /** 32 bytes in hex; one of them. */
  hostData: z.union([Sha256HexSchema, z.array(Sha256HexSchema).min(1)]),
  /** The runtime claims must name it. Default: they are only bound, not read. */
  contract: z.exactOptional(ContractIdSchema),
});
export type AppraisalPolicy = z.infer<typeof AppraisalPolicySchema>;

/** The question that evidence answers: without one, evidence proves a past of any length. */
export interface Challenge {
  /** Chosen by the verifier, base64url, for one answer only; that it is used once is its duty. */
  readonly nonce: string;
  /** When the nonce was handed out and what time it is, by one clock, in milliseconds. */
  readonly issuedAt: number;
  readonly now: number;
  readonly ageMsMax: number;
  /**
   * The evidence answers a challenge to a running worker: its claims are `EvidenceClaims`. Else
   * they are those of a worker's start, to which keys are released. One never passes as the other.
   */
  readonly onDemand?: true;
}

/**
 * The demands of a contract. HOST_DATA is the contract's id unless the contract says otherwise.
 * Milan is accepted only where it is named, by `products` or by a floor.
 */
export function appraisalPolicyFor(
  contract: { readonly enclave: Omit<EnclaveContract, 'authorities'> },
  contractId: string,
): AppraisalPolicy {
  // Named one by one, so that what others add to the enclave part is no demand by accident.
  const { enclave } = contract;
  const demands = Object.fromEntries(
    Object.keys(ENCLAVE_DEMANDS).flatMap((name) => {
      const value: unknown = Reflect.get(enclave, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const parsed = AppraisalPolicySchema.safeParse({
    hostData: contractId,
    ...demands,
    platform: enclave.platform,
    products: acceptedProducts(enclave),
    minimumTcb: enclave.minimumTcb,
    measurements: enclave.measurements.map(({ sha384, pcrs }) =>
      pcrs ? { sha384, pcrs } : sha384,
    ),
    contract: contractId,
  });
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new StrongroomError('ERR_CONTRACT_MALFORMED', { place: `enclave.${place}` });
}

type Products = NonNullable<AppraisalPolicy['products']>;

/** The products that a contract accepts; Milan never by default (SECURITY.md). */
export function acceptedProducts(
  enclave: Pick<EnclaveContract, 'platform' | 'minimumTcb' | 'products'>,
): Products {
  if (enclave.products) return enclave.products;
  const floored = PRODUCTS.filter((product) => enclave.minimumTcb[product] !== undefined);
  if (floored.length > 0) return floored;
  return enclave.platform === 'simulated' ? [...PRODUCTS] : ['Genoa', 'Turin'];
}

/** Adds refusals and takes none away: how a service reacts before any contract is amended. */
export function withKillList(policy: AppraisalPolicy, more: KillList): AppraisalPolicy {
  const killList: KillList = {};
  const { chipIds = [], products = [], tcbs = [] } = policy.killList ?? {};
  const all = {
    chipIds: [...chipIds, ...(more.chipIds ?? [])],
    products: [...products, ...(more.products ?? [])],
    tcbs: [...tcbs, ...(more.tcbs ?? [])],
  };
  if (all.chipIds.length > 0) killList.chipIds = all.chipIds;
  if (all.products.length > 0) killList.products = all.products;
  if (all.tcbs.length > 0) killList.tcbs = all.tcbs;
  return { ...policy, killList };
}
