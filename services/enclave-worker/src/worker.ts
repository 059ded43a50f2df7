import { createHash } from 'node:crypto';
import { proofBytes } from '@strongroom/protocol/attestation-proof';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import {
  type Contract,
  parseContractBytes,
  SignedContractSchema,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import {
  topicsOfRole,
  transactionalIdOf,
  withoutFence,
  workerRole,
} from '@strongroom/protocol/log-topics';
import {
  challengesTopic,
  checkpointsTopic,
  datasetTopic,
  partialsTopic,
} from '@strongroom/protocol/record';
import { partialsName } from '@strongroom/protocol/slices';
import type { RecordLog } from '@strongroom/record-log/log';
import { readCheckpoints } from './checkpoints.ts';
import { collectKeys } from './collect-keys.ts';
import { collectProof } from './collect-proof.ts';
import { answeringChallenges } from './evidence-answers.ts';
import { type Flow, runFlow } from './flow.ts';
import { LeaseErrands, Revoked } from './leases.ts';
import { commit, type Life, type WorkerOptions, write } from './life.ts';
import { collectEvidence } from './quote.ts';
import { type OwnerReceipt, receiptRecord } from './receipts.ts';
import { Traces } from './traces.ts';
import type { Restored } from './vault/door.ts';
import type { VaultDoor } from './vault-process.ts';

/**
 * One life: prove what runs, get the keys, go on from the newest checkpoint, count, emit. Whatever
 * goes wrong ends it; the next one begins with the log, the only memory there is.
 * @returns whether every query has emitted its last result
 */
export async function live(options: WorkerOptions): Promise<{ done: boolean; epoch: number }> {
  const { vault, log } = await openBoth(options);
  let leases: LeaseErrands | undefined;
  try {
    const { contract, contractId } = await openContract(vault, options);
    leases = new LeaseErrands({ ...options, contract, contractId, vault });
    assertOneTells(log, contract, leases);
    // A worker that takes over from another one is waited for: what can be is done meanwhile.
    const topics = createTopics(log, contract, contractId, options);
    topics.catch(() => undefined);
    const receipts = await prove(vault, contract, contractId, leases, options);
    await topics;
    const { namespace, slice } = options;
    // Where the worker of a slice is asked, there is no topic.
    const challengesFrom =
      slice === undefined ? await log.endOffset(challengesTopic(contractId, namespace)) : 0;
    // Fences an older worker, so that what is read next is the last that it wrote.
    const writer = await log.transaction(transactionalIdOf(contractId, namespace, slice));
    const restored = await restore(vault, log, checkpointsTopic(contractId, namespace, slice));
    const { epoch } = restored.answer;
    options.logger.info('checkpoint-restored', { epoch });
    const life = {
      contract,
      contractId,
      slice,
      vault,
      log,
      writer,
      leases,
      epoch,
      monitor: options.tally.monitor,
      traces: new Traces(options.tracing),
    };
    const flow = flowFrom(restored.answer, life, options);
    return await untilRevoked(life, options, async () => {
      await leaveAsPrepared(life, restored, options);
      await announce(life, receipts, options);
      life.monitor.runs(contract, contractId, epoch);
      options.onReady(true);
      const compute = () => runFlow(life, flow, options);
      const done = await answeringChallenges(life, challengesFrom, options, compute);
      return { done, epoch: life.epoch };
    });
  } finally {
    options.onReady(false);
    options.tally.memory(vault.peakBytes);
    await Promise.allSettled([leases?.end(), vault.close(), log.close()]);
  }
}

/**
 * A log without transactions fences nobody: who tells the next step is then said by an owner's
 * lease alone. What slices tell the worker that merges has not been thought through without them.
 */
function assertOneTells(
  { hasTransactions }: RecordLog,
  { slices }: Contract,
  leases: LeaseErrands,
) {
  if (hasTransactions || (leases.areKept && slices === undefined)) return;
  const reason = slices === undefined ? 'no owner keeps a lease' : 'the contract has slices';
  throw new StrongroomError('ERR_TRANSACTIONS_NEEDED', { reason });
}

/** Side by side; where one fails the other is closed. */
async function openBoth({ startVault, connectLog, logger }: WorkerOptions) {
  const connecting = connectLog().then((log) => {
    logger.info('log-connected');
    return log;
  });
  const opening = [startVault(), connecting] as const;
  try {
    const [vault, log] = await Promise.all(opening);
    return { vault, log };
  } catch (error) {
    await Promise.allSettled(opening.map(async (each) => (await each).close()));
    throw error;
  }
}

async function untilRevoked<Result>(
  life: Life,
  options: WorkerOptions,
  compute: () => Promise<Result>,
): Promise<Result> {
  try {
    return await compute();
  } catch (error) {
    if (error instanceof Revoked) await giveNotice(life, error, options);
    throw error;
  }
}

/** The vault forgets every key, and says on the log how far it came and who ended it. */
async function giveNotice(life: Life, revoked: Revoked, { namespace, logger }: WorkerOptions) {
  const { owner, statement } = revoked;
  const stopped = await life.vault.request('stop', { owner, statement });
  await write(life, stopped.records, namespace);
  logger.warn('contract-revoked', { party: owner, code: revoked.code });
}

async function openContract(
  vault: VaultDoor,
  { signedContract, amendments, memoryMb, slice, logger }: WorkerOptions,
): Promise<{ contract: Contract; contractId: ContractId }> {
  const { answer } = await vault.request('open', {
    contract: signedContract,
    ...(amendments === undefined ? {} : { amendments }),
    ...(slice === undefined ? {} : { slice }),
    memoryMb,
  });
  const { payload } = SignedContractSchema.parse(signedContract);
  const bytes = decodeBase64url(payload) ?? new Uint8Array(0);
  const contractId = ContractIdSchema.parse(createHash('sha256').update(bytes).digest('hex'));
  if (contractId !== answer.contractId) throw new StrongroomError('ERR_CONTRACT_MISMATCH');
  logger.info('contract-verified', { contract: contractId });
  return { contract: parseContractBytes(bytes), contractId };
}

/** Evidence -> proof -> keys and receipts; the vault judges every key that arrives. */
async function prove(
  vault: VaultDoor,
  contract: Contract,
  contractId: ContractId,
  leases: LeaseErrands,
  options: WorkerOptions,
): Promise<OwnerReceipt[]> {
  const challenges = await leases.challenges();
  const asked = challenges === undefined ? {} : { challenges };
  const { runtimeClaims, nonce, holder } = (await vault.request('claims', asked)).answer;
  const platform = await options.platformFor(contractId);
  const evidence = await collectEvidence(platform, runtimeClaims);
  options.logger.info('evidence-collected', { platform: platform.name });
  const { proof, target } = await collectProof(evidence, contract, options);
  await vault.request('proof', { proof: new TextDecoder().decode(proofBytes(proof)) });
  const network = options.ca === undefined ? {} : { ca: options.ca };
  await leases.acquire(target, holder);
  const { credentialFor, tracing } = options;
  const request = { target, nonce, credentialFor, tracing, ...network };
  const { slice, logger } = options;
  return await collectKeys({ contract, slice, vault, request, logger });
}

/** Those that it reads or writes itself, where nobody has made them. */
async function createTopics(
  log: RecordLog,
  contract: Contract,
  contractId: ContractId,
  { namespace, slice }: WorkerOptions,
): Promise<void> {
  const own = topicsOfRole(workerRole(contract, slice), contract, contractId, namespace);
  const wanted = log.hasTransactions ? own : own.map(withoutFence);
  await log.createTopics(
    wanted.map(({ name, partitions, config }) => ({ topic: name, partitions, config })),
  );
}

function partialsTopics({ slices = 0 }: Contract, id: ContractId, namespace: string): string[] {
  return Array.from({ length: slices }, (_none, slice) => partialsTopic(id, slice, namespace));
}

async function restore(vault: VaultDoor, log: RecordLog, topic: string) {
  const { checkpoints, prepared } = await readCheckpoints(log, topic);
  const seals = prepared.map(({ seal }) => ({ seal }));
  const values = prepared.map(({ value }) => value);
  return await vault.request('restore', { checkpoints, prepared: seals }, values);
}

/**
 * What an earlier worker had prepared, and may have told or not: it is told as it is. Where an
 * owner has ended the contract meanwhile, a log without transactions may hold a part of it: then
 * nobody can say any more how far it came, and no notice says so.
 */
async function leaveAsPrepared(
  life: Life,
  restored: Awaited<ReturnType<typeof restore>>,
  { namespace, logger, tally }: WorkerOptions,
): Promise<void> {
  const left = await commit(life, restored, namespace).catch((error: unknown) => {
    if (!(error instanceof Revoked) || life.log.hasTransactions) throw error;
    throw new StrongroomError(error.code, error.facts);
  });
  if (left.length === 0) return;
  tally.repeated(left);
  logger.info('prepared-step-left', { count: left.length });
}

async function announce(
  life: Life,
  receipts: readonly OwnerReceipt[],
  { namespace, logger }: WorkerOptions,
): Promise<void> {
  const proofs = receipts.map((each) => receiptRecord(life.contractId, each));
  await commit(life, await life.vault.request('announce', {}), namespace, proofs);
  logger.info('epoch-claimed', { epoch: life.epoch });
}

/** A topic is named as the vault names what lies on it: a dataset, or the partials of a slice. */
function flowFrom(restored: Restored, life: Life, { namespace }: WorkerOptions): Flow {
  const { contract, contractId } = life;
  const topics = new Map<string, string>([
    ...contract.datasets.map(({ id }) => [id, datasetTopic(contractId, id, namespace)] as const),
    ...partialsTopics(contract, contractId, namespace).map(
      (topic, slice) => [partialsName(slice), topic] as const,
    ),
  ]);
  return {
    done: restored.done,
    from: restored.from.flatMap((at) => {
      const topic = topics.get(at.dataset);
      return topic ? [{ ...at, topic }] : [];
    }),
  };
}
