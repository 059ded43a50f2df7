import { AuditConsistencySchema, AuditReceiptSchema } from '@strongroom/protocol/audit';
import { SignedContractSchema } from '@strongroom/protocol/contract';
import { Bytes32Schema, CompactJwsSchema, ContractIdSchema } from '@strongroom/protocol/fields';
import { BudgetSchema } from '@strongroom/protocol/ledger';
import { z } from 'zod';
import {
  ConsistencyQuerySchema,
  EntriesQuerySchema,
  HeadsQuerySchema,
  InclusionQuerySchema,
} from '../../services/key-release/src/audit/audit-routes.ts';
import {
  CreateSchema,
  ImportSchema,
  ListQuerySchema,
  RandomSchema,
  ReleaseSchema,
  RestoreSchema,
  UpdateSchema,
} from '../../services/key-release/src/keys/key-requests.ts';
import { UNOFFERED } from '../../services/key-release/src/keys/key-routes.ts';
import { RotationPolicySchema } from '../../services/key-release/src/keys/rotation.ts';
import {
  AcquireSchema,
  HolderSchema,
  StepSchema,
} from '../../services/key-release/src/leases/lease-routes.ts';
import {
  BudgetsSchema,
  DebitRequestSchema,
} from '../../services/key-release/src/ledger/ledger-routes.ts';
import { COMMON_ROUTES } from './every-service.ts';
import type { Route, ServiceDescription } from './routes.ts';

const JwkSchema = z.looseObject({ kty: z.string() });
const TimesSchema = z.looseObject({ enabled: z.boolean(), created: z.int(), updated: z.int() });
const KeyBundleSchema = z.looseObject({
  key: JwkSchema.extend({ kid: z.string(), key_ops: z.array(z.string()) }),
  attributes: TimesSchema,
});
const DeletedSchema = KeyBundleSchema.extend({
  recoveryId: z.string(),
  deletedDate: z.int(),
  scheduledPurgeDate: z.int(),
});
const KeyListSchema = z.looseObject({
  value: z.array(z.looseObject({ kid: z.string(), attributes: TimesSchema })),
  nextLink: z.string().nullable(),
});
const ValueSchema = z.looseObject({ value: z.string() });
const StatementSchema = z.strictObject({ statement: CompactJwsSchema });
const LeaseSchema = z.looseObject({
  contract: ContractIdSchema,
  state: z.enum(['held', 'ended', 'revoked']),
  holder: z.string().nullable(),
  epoch: z.int(),
});
const AccountsSchema = z.strictObject({
  accounts: z.array(
    BudgetSchema.extend({ spent: z.record(z.string(), z.string()), debits: z.int() }),
  ),
});

const administer = { right: 'administer' } as const;
const release = { right: 'release' } as const;
const audit = { right: 'audit' } as const;
const withVersion = (route: Route): Route[] => [
  route,
  { ...route, path: route.path.replace('{name}', '{name}/{version}') },
];

const KEYS: readonly Route[] = [
  {
    ...{ method: 'GET', path: '/keys', ...administer },
    does: 'Lists keys.',
    ...{ query: ListQuerySchema, answer: KeyListSchema },
  },
  {
    ...{ method: 'GET', path: '/keys/{name}/versions', ...administer },
    does: 'Lists the versions of a key.',
    ...{ query: ListQuerySchema, answer: KeyListSchema },
  },
  ...withVersion({
    ...{ method: 'GET', path: '/keys/{name}', ...administer },
    does: 'Shows the public half of a key, its attributes and its release policy.',
    answer: KeyBundleSchema,
  }),
  {
    ...{ method: 'POST', path: '/keys/{name}/create', ...administer },
    does: 'Makes a key, or the next version of one.',
    ...{ body: CreateSchema, answer: KeyBundleSchema },
  },
  {
    ...{ method: 'PUT', path: '/keys/{name}', ...administer },
    does: 'Imports a private key.',
    ...{ body: ImportSchema, answer: KeyBundleSchema },
  },
  ...withVersion({
    ...{ method: 'PATCH', path: '/keys/{name}', ...administer },
    does: 'Changes attributes, tags, operations or the release policy.',
    ...{ body: UpdateSchema, answer: KeyBundleSchema },
  }),
  {
    ...{ method: 'POST', path: '/keys/{name}/rotate', ...administer },
    does: 'Makes the next version of a key.',
    answer: KeyBundleSchema,
  },
  {
    ...{ method: 'GET', path: '/keys/{name}/rotationpolicy', ...administer },
    does: 'Shows when a key is rotated.',
    answer: z.looseObject({ id: z.string() }),
  },
  {
    ...{ method: 'PUT', path: '/keys/{name}/rotationpolicy', ...administer },
    does: 'Sets when a key is rotated.',
    ...{ body: RotationPolicySchema, answer: z.looseObject({ id: z.string() }) },
  },
  {
    ...{ method: 'POST', path: '/keys/{name}/backup', ...administer },
    does: 'Gives all versions of a key, sealed for this service.',
    answer: ValueSchema,
  },
  {
    ...{ method: 'POST', path: '/keys/restore', ...administer },
    does: 'Takes a backup back, if nothing has changed after it.',
    ...{ body: RestoreSchema, answer: KeyBundleSchema },
  },
  {
    ...{ method: 'DELETE', path: '/keys/{name}', ...administer },
    does: 'Deletes a key; it can be recovered.',
    answer: DeletedSchema,
  },
  {
    ...{ method: 'GET', path: '/deletedkeys', ...administer },
    does: 'Lists keys that can be recovered.',
    ...{ query: ListQuerySchema, answer: KeyListSchema },
  },
  {
    ...{ method: 'GET', path: '/deletedkeys/{name}', ...administer },
    does: 'Shows a key that can be recovered.',
    answer: DeletedSchema,
  },
  {
    ...{ method: 'POST', path: '/deletedkeys/{name}/recover', ...administer },
    does: 'Takes a deletion back.',
    answer: KeyBundleSchema,
  },
  {
    ...{ method: 'DELETE', path: '/deletedkeys/{name}', ...administer },
    does: 'Overwrites a deleted key, for good.',
    status: 204,
  },
  {
    ...{ method: 'POST', path: '/rng', ...administer },
    does: 'Gives random bytes.',
    ...{ body: RandomSchema, answer: ValueSchema },
  },
  ...withVersion({
    ...{ method: 'POST', path: '/keys/{name}/release', ...release },
    does: 'Wraps a key to attested code, with a receipt of the audit log.',
    body: ReleaseSchema,
    answer: z.strictObject({ value: CompactJwsSchema, receipt: AuditReceiptSchema }),
  }),
  ...UNOFFERED.flatMap((operation) =>
    withVersion({
      ...{ method: 'POST', path: `/keys/{name}/${operation}`, ...administer },
      ...{ does: 'Is not offered: nothing is done with a key here.', refused: true },
    }),
  ),
  ...withVersion({
    ...{ method: 'GET', path: '/keys/{name}/attestation', ...administer },
    ...{ does: 'Is not offered: this is no HSM.', refused: true },
  }),
];

const LEASES: readonly Route[] = [
  {
    ...{ method: 'POST', path: '/leases/{contract}/nonces', ...release },
    does: 'Gives a nonce for evidence, which is spent once.',
    answer: z.strictObject({ nonce: Bytes32Schema, state: z.string() }),
  },
  {
    ...{ method: 'POST', path: '/leases/{contract}/', ...release },
    does: 'Gives the lease to an attested worker.',
    ...{ body: AcquireSchema, answer: StatementSchema },
  },
  {
    ...{ method: 'POST', path: '/leases/{contract}/steps', ...release },
    does: 'Confirms one step from a checkpoint to the next.',
    ...{ body: StepSchema, answer: StatementSchema },
  },
  {
    ...{ method: 'POST', path: '/leases/{contract}/renewals', ...release },
    does: 'Renews the lease of its holder.',
    ...{ body: HolderSchema, answer: StatementSchema },
  },
  {
    ...{ method: 'POST', path: '/leases/{contract}/end', ...release },
    does: 'Gives the lease back.',
    ...{ body: HolderSchema, answer: StatementSchema },
  },
  {
    ...{ method: 'POST', path: '/leases/{contract}/revocation', ...administer },
    does: 'Ends the contract for good.',
    answer: StatementSchema,
  },
  {
    ...{ method: 'GET', path: '/leases/{contract}', ...audit },
    does: 'Shows holder, epoch and newest step.',
    answer: LeaseSchema,
  },
];

/** Of a contract with slices each has one; all of a contract end together. */
const SLICE_LEASES: readonly Route[] = LEASES.filter(
  ({ path }) => !path.endsWith('/revocation'),
).map((route) => ({
  ...route,
  path: route.path.replace('{contract}', '{contract}/slices/{slice}'),
  does: `${route.does.slice(0, -1)}, of a slice.`,
}));

const RECORDS: readonly Route[] = [
  {
    ...{ method: 'PUT', path: '/contracts/{id}', ...administer },
    does: 'Stores a signed contract, an amendment behind the version before.',
    ...{ body: SignedContractSchema, answer: z.strictObject({ id: ContractIdSchema }) },
  },
  {
    ...{ method: 'GET', path: '/contracts/{id}', ...administer },
    does: 'Shows a stored contract.',
    answer: SignedContractSchema,
  },
  {
    ...{ method: 'PUT', path: '/ledger/{contract}/budgets', ...administer },
    does: 'Sets limits of what results may use up.',
    ...{ body: BudgetsSchema, answer: AccountsSchema },
  },
  {
    ...{ method: 'GET', path: '/ledger/{contract}', ...audit },
    does: 'Shows limits and what is spent.',
    answer: AccountsSchema,
  },
  {
    ...{ method: 'POST', path: '/ledger/{contract}/debits', ...release },
    does: 'Debits what one result uses up, before it leaves.',
    body: DebitRequestSchema,
    answer: z.strictObject({ entry: z.int(), receipt: AuditReceiptSchema }),
  },
  {
    ...{ method: 'GET', path: '/audit/head', ...audit },
    does: 'Gives the newest signed head of the audit log.',
    answer: z.strictObject({ size: z.int(), head: CompactJwsSchema }),
  },
  {
    ...{ method: 'GET', path: '/audit/entries', ...audit },
    does: 'Gives entries as they are in the log.',
    ...{ query: EntriesQuerySchema, answer: z.strictObject({ entries: z.array(z.unknown()) }) },
  },
  {
    ...{ method: 'GET', path: '/audit/heads', ...audit },
    does: 'Gives signed heads.',
    ...{ query: HeadsQuerySchema, answer: z.strictObject({ heads: z.array(z.unknown()) }) },
  },
  {
    ...{ method: 'GET', path: '/audit/proof/inclusion', ...audit },
    does: 'Proves that an entry is in the log.',
    ...{ query: InclusionQuerySchema, answer: AuditReceiptSchema },
  },
  {
    ...{ method: 'GET', path: '/audit/proof/consistency', ...audit },
    does: 'Proves that the log began with its first entries.',
    ...{ query: ConsistencyQuerySchema, answer: AuditConsistencySchema },
  },
];

export const KEY_RELEASE: ServiceDescription = {
  title: 'Strongroom key release',
  text: "An owner's keys, released to attested code only, in Azure Key Vault's shape.",
  security: {
    bearer: { type: 'http', scheme: 'bearer' },
    certificate: { type: 'mutualTLS' },
  },
  error: z.strictObject({
    error: z.strictObject({
      code: z.string().describe("Azure's word for the status."),
      message: z.string(),
      innererror: z.looseObject({ code: z.string().describe('The stable code: docs/errors.md.') }),
    }),
  }),
  routes: [
    {
      ...{ method: 'GET', path: '/.well-known/strongroom' },
      does: 'Names the owner and the key that signs releases.',
      answer: z.looseObject({
        ...{ owner: z.string(), releaseKey: JwkSchema, warnings: z.array(z.unknown()) },
      }),
    },
    ...KEYS,
    ...LEASES,
    ...SLICE_LEASES,
    ...RECORDS,
    ...COMMON_ROUTES,
  ],
};
