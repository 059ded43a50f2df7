import { demandAgreement } from '@strongroom/attestation/agreement';
import { compileReleasePolicy, releasePolicyFor } from '@strongroom/attestation/release-policy';
import { parseTarget } from '@strongroom/protocol/attestation-proof';
import { canonicalBytes, parseCanonical } from '@strongroom/protocol/canonical-json';
import { type Contract, datasetOf, type Party, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { RuntimeClaims } from '@strongroom/protocol/evidence';
import { CompactJwsSchema, type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import {
  BudgetSchema,
  DEBIT_JWS_TYPE,
  DEBIT_KEY_ID,
  type Debit,
  DebitSchema,
} from '@strongroom/protocol/ledger';
import { DATASETS_MAX } from '@strongroom/protocol/limits';
import { chargesOf, isDebitSpanOf } from '@strongroom/protocol/privacy';
import { verifyCompact } from '@strongroom/sealing/verify';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Guards } from '../access/guard.ts';
import type { AuditHeads } from '../audit/audit-heads.ts';
import { readRequest, TargetSchema } from '../keys/key-requests.ts';
import type { LeaseStore } from '../leases/lease-store.ts';
import { type RequesterService, verifyRaw, verifyRequester } from '../requester/requester.ts';
import type { Ledger } from './ledger.ts';

export interface LedgerService extends RequesterService {
  readonly leases: Pick<LeaseStore, 'find'>;
  readonly ledger: Ledger;
  readonly auditHeads: AuditHeads;
}

const PathSchema = z.strictObject({ contract: ContractIdSchema });
export const BudgetsSchema = z.strictObject({
  budgets: z.array(BudgetSchema).min(1).max(DATASETS_MAX),
});
export const DebitRequestSchema = z.strictObject({ target: TargetSchema, debit: CompactJwsSchema });

/** The owner sets limits and looks; the attested worker debits before a result leaves. */
export function addLedgerRoutes(
  scope: FastifyInstance,
  owner: string,
  service: LedgerService,
  guards: Guards,
): void {
  const { ledger, contracts, auditHeads } = service;
  scope.put('/ledger/:contract/budgets', guards.demand('administer'), async (request) => {
    const { contract } = readRequest(PathSchema, request.params);
    const { budgets } = readRequest(BudgetsSchema, request.body);
    const known = contracts.contractOf(contract);
    contracts.demandNewest(contract);
    for (const { dataset } of budgets) demandOwn(known, dataset, owner);
    ledger.setBudgets(contract, budgets, guards.callerOf(request));
    return { accounts: ledger.accounts(contract) };
  });
  scope.get('/ledger/:contract', guards.demand('audit'), async (request) => ({
    accounts: ledger.accounts(readRequest(PathSchema, request.params).contract),
  }));
  scope.post('/ledger/:contract/debits', guards.demand('release'), async (request) => {
    const { contract } = readRequest(PathSchema, request.params);
    const { target, debit: jws } = readRequest(DebitRequestSchema, request.body);
    const debit = await demandDebit(jws, target, contract, owner, service);
    const entry = ledger.debit(debit, guards.callerOf(request));
    return { entry, receipt: await auditHeads.receipt(entry) };
  });
}

function demandOwn(contract: Contract, dataset: string, owner: string): void {
  if (datasetOf(contract, dataset).owner === owner) return;
  const expected = `a dataset of ${owner}`;
  throw new StrongroomError('ERR_REQUEST_INVALID', { member: 'budgets', dataset, expected });
}

/**
 * A debit is the worker's own: attested as for a release, under this contract, and signed by the
 * key that its evidence binds, so that a token that was seen on the log debits nothing.
 * @throws what verifying the worker throws, ERR_CONTRACT_UNKNOWN, ERR_DEBIT_INVALID, and what
 *   `demandHolder` throws
 */
async function demandDebit(
  jws: string,
  target: string,
  contractId: ContractId,
  owner: string,
  service: LedgerService,
): Promise<Debit> {
  const proof = parseTarget(target);
  const worker = await verifyRequester(proof, service);
  if (worker.runtime.contract !== contractId) throw invalid('contract');
  const contract = service.contracts.contractOf(contractId);
  const policy = compileReleasePolicy(JSON.stringify(releasePolicyFor(contract, contractId)));
  demandAgreement(policy, worker, verifyRaw(proof, worker, service));
  const debit = await readDebit(jws, worker.runtime);
  if (debit.contract !== contractId) throw invalid('contract');
  demandWhole(debit, contract, owner);
  demandHolder(partyOf(contract, owner), contractId, worker.runtime, service);
  return debit;
}

/**
 * Where the contract has this owner keep a lease, which is where its ledger is, a worker debits as
 * its holder and not otherwise: no clone, none before this one, and none that never took it. In
 * other contracts anybody attested does, until somebody has taken a lease all the same.
 * @throws ERR_LEASE_LOST, ERR_CONTRACT_REVOKED, ERR_CONTRACT_SUPERSEDED
 */
function demandHolder(
  { keyRelease }: Party,
  contract: ContractId,
  { keys }: RuntimeClaims,
  { contracts, leases }: LedgerService,
): void {
  contracts.demandNewest(contract);
  const { epoch, state, holder } = leases.find(contract);
  if (state === 'revoked') throw new StrongroomError('ERR_CONTRACT_REVOKED', { contract });
  const isKept = keyRelease?.lease !== undefined || epoch > 0;
  if (!isKept || (state === 'held' && holder === keys[1].x)) return;
  throw new StrongroomError('ERR_LEASE_LOST', { contract });
}

const CODE = 'ERR_DEBIT_INVALID';

async function readDebit(jws: string, { keys }: RuntimeClaims): Promise<Debit> {
  const { kty, crv, x } = keys[1];
  const expected = { typ: DEBIT_JWS_TYPE, kid: DEBIT_KEY_ID, key: { kty, crv, x } };
  const codes = { malformed: CODE, algorithm: CODE, signature: CODE } as const;
  const parsed = DebitSchema.safeParse(parsedOr(await verifyCompact(jws, expected, codes)));
  if (!parsed.success) throw invalid('shape');
  return parsed.data;
}

function parsedOr(bytes: Uint8Array): unknown {
  try {
    return parseCanonical(bytes);
  } catch {
    return undefined;
  }
}

/**
 * A result uses up every dataset that its query reads: this owner's are all charged, no other. What
 * the contract says of a query with noise is what its results use up, no more and no less.
 */
function demandWhole({ query, window, charges }: Debit, contract: Contract, owner: string): void {
  const known = contract.queries.find(({ id }) => id === query);
  if (!known) throw invalid('query');
  if (!isDebitSpanOf(known, window)) throw invalid('window');
  if (known.privacy) {
    const agreed = canonicalBytes(chargesOf(contract, known, partyOf(contract, owner).id));
    if (!Buffer.from(canonicalBytes(charges)).equals(agreed)) throw invalid('charges');
    return;
  }
  const read = contract.datasets.filter(
    (dataset) => dataset.owner === owner && known.relations.includes(dataset.relation),
  );
  const expected = read.map(({ id }) => id).sort();
  const charged = charges.map(({ dataset }) => dataset);
  if (expected.join() !== charged.join()) throw invalid('datasets');
}

function invalid(check: string): StrongroomError {
  return new StrongroomError(CODE, { check });
}
