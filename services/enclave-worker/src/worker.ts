import { createHash } from 'node:crypto';
import { proofBytes } from '@strongroom/protocol/attestation-proof';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import {
  type Contract,
  parseContractBytes,
  partyOf,
  SignedContractSchema,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import {
  aggregatesTopic,
  challengesTopic,
  datasetTopic,
  quarantineTopic,
  RECORD_TYPES,
} from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import { collectProof } from './collect-proof.ts';
import { answeringChallenges, evidenceTopics } from './evidence-answers.ts';
import { type Flow, runFlow } from './flow.ts';
import { commit, type Life, type WorkerOptions } from './life.ts';
import { collectEvidence } from './quote.ts';
import { type OwnerReceipt, receiptRecord } from './receipts.ts';
import { requestKey, wantedKeys } from './request-keys.ts';
import type { Restored } from './vault/door.ts';
import type { VaultDoor } from './vault-process.ts';

/**
 * One life: prove what runs, get the keys, go on from the newest checkpoint, count, emit. Whatever
 * goes wrong ends it; the next one begins with the log, the only memory there is.
 * @returns whether every query has emitted its last result
 */
export async function live(options: WorkerOptions): Promise<{ done: boolean; epoch: number }> {
  const vault = await options.startVault();
  const log = await options.connectLog().catch(async (error: unknown) => {
    await vault.close();
    throw error;
  });
  try {
    const { contract, contractId } = await openContract(vault, options);
    const receipts = await prove(vault, contract, contractId, options);
    await createTopics(log, contract, contractId, options.namespace);
    const challengesFrom = await log.endOffset(challengesTopic(contractId, options.namespace));
    // Fences an older worker, so that what is read next is the last that it wrote.
    const writer = await log.transaction(`strongroom-worker.${options.namespace}.${contractId}`);
    const restored = await restore(vault, log, aggregatesTopic(contractId, options.namespace));
    const life = { contract, contractId, vault, log, writer, epoch: restored.epoch };
    await announce(life, receipts, options);
    options.onReady(true);
    const flow = flowFrom(restored, life, options);
    const compute = () => runFlow(life, flow, options);
    const done = await answeringChallenges(life, challengesFrom, options, compute);
    return { done, epoch: restored.epoch };
  } finally {
    options.onReady(false);
    options.tally.memory(vault.peakBytes);
    await Promise.allSettled([vault.close(), log.close()]);
  }
}

async function openContract(
  vault: VaultDoor,
  { signedContract, memoryMb, logger }: WorkerOptions,
): Promise<{ contract: Contract; contractId: ContractId }> {
  const { answer } = await vault.request('open', { contract: signedContract, memoryMb });
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
  options: WorkerOptions,
): Promise<OwnerReceipt[]> {
  const { runtimeClaims, nonce } = (await vault.request('claims', {})).answer;
  const platform = await options.platformFor(contractId);
  const evidence = await collectEvidence(platform, runtimeClaims);
  options.logger.info('evidence-collected', { platform: platform.name });
  const { proof, target } = await collectProof(evidence, contract, options);
  await vault.request('proof', { proof: new TextDecoder().decode(proofBytes(proof)) });
  const network = options.ca === undefined ? {} : { ca: options.ca };
  const receipts = await Promise.all(
    wantedKeys(contract).map(async ({ owner, keyId }) => {
      const request = { target, nonce, accessTokenFor: options.accessTokenFor, ...network };
      const { jws, receipt } = await requestKey(partyOf(contract, owner), keyId, request);
      await vault.request('release', { owner, keyId, jws });
      options.logger.info('key-received', { party: owner, name: keyId });
      return receipt ? [{ owner, receipt }] : [];
    }),
  );
  return receipts.flat();
}

async function createTopics(
  log: RecordLog,
  contract: Contract,
  contractId: ContractId,
  namespace: string,
): Promise<void> {
  const kept = { config: { 'retention.ms': '-1' } };
  await log.createTopics([
    ...contract.datasets.map(({ id }) => ({ topic: datasetTopic(contractId, id, namespace) })),
    { topic: aggregatesTopic(contractId, namespace), ...kept },
    { topic: quarantineTopic(contractId, namespace) },
    ...evidenceTopics({ contractId }, namespace),
  ]);
}

/** The newest of what looks like a checkpoint; only the vault can tell. */
const CHECKPOINTS_MAX = 256;

async function restore(vault: VaultDoor, log: RecordLog, topic: string): Promise<Restored> {
  const checkpoints = new Set<string>();
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const { headers, value } of entries) {
      if (headers['ce_type'] !== RECORD_TYPES.checkpoint) continue;
      checkpoints.add(new TextDecoder().decode(value));
    }
  }
  const newest = [...checkpoints].slice(-CHECKPOINTS_MAX);
  return (await vault.request('restore', { checkpoints: newest })).answer;
}

async function announce(
  life: Life,
  receipts: readonly OwnerReceipt[],
  { namespace, logger }: WorkerOptions,
): Promise<void> {
  const { records } = await life.vault.request('announce', {});
  const proofs = receipts.map((each) => receiptRecord(life.contractId, each));
  await commit(life, [...records, ...proofs], namespace);
  logger.info('epoch-claimed', { epoch: life.epoch });
}

function flowFrom(restored: Restored, life: Life, { namespace }: WorkerOptions): Flow {
  const offsets = new Map(restored.from.map(({ dataset, offset }) => [dataset, offset]));
  return {
    done: restored.done,
    from: life.contract.datasets.map(({ id }) => ({
      dataset: id,
      topic: datasetTopic(life.contractId, id, namespace),
      offset: offsets.get(id) ?? 0,
    })),
  };
}
