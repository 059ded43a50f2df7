import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { type Contract, type Dataset, parseContract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { datasetTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import type { LogEntry } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { createLogger } from '@strongroom/runtime/logger';
import { createIdentity, type PartyIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { createUnwrapper, openBatch, type SecretReader } from '@strongroom/sealing/open';
import { signContract } from '@strongroom/sealing/sign';
import { StreamCheck } from '@strongroom/sealing/stream-check';
import {
  verifyContract,
  verifyManifestRecord,
  verifyOpeningRecord,
  verifyRetractionRecord,
} from '@strongroom/sealing/verify';
import { createMemoryLog, createMemoryStore, type MemoryLog } from '@strongroom/testkit/memory-log';
import type { ArrowBatch } from '../src/arrow-batch.ts';
import { publishBatches } from '../src/publish-batches.ts';
import type { PublishReport } from '../src/publish-report.ts';
import type { PublishRequest } from '../src/publish-source.ts';
import { openInput } from '../src/source-input.ts';
import { rowsOf } from './source-fixtures.ts';

/** A signed contract about one dataset, and whatever is needed to publish and to open it. */
export interface Agreed {
  readonly signedContract: unknown;
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly dataset: Dataset;
  readonly owner: PartyIdentity;
  readonly analyst: PartyIdentity;
  readonly ownerJson: string;
  readonly unwrapper: SecretReader;
}

/** @param dataset columns, event time, streams and how they share out rows are taken from it */
export async function agreeOn({
  columns,
  eventTime,
  streams,
  partitionBy,
}: Dataset): Promise<Agreed> {
  const owner = await createIdentity('owner-a', { reading: false });
  const analyst = await createIdentity('analyst', { reading: true });
  const wrapping = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const release = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  const releaseKey = release.export({ format: 'jwk' });
  const keyRelease = { url: 'https://keys.example', releaseKey, stateShareKeyId: 'state' };
  const { signingKey, readingKey } = analyst;
  const draft = parseContract({
    strongroom: 'contract/v1',
    title: 'Test',
    purpose: 'Tests of the producer',
    version: 1,
    parties: [
      { id: 'owner-a', name: 'Owner', signingKey: owner.signingKey, keyRelease },
      { id: 'analyst', name: 'Analyst', signingKey, readingKey },
    ],
    datasets: [
      {
        id: 'measured',
        owner: 'owner-a',
        relation: 'measured',
        columns,
        ...(eventTime === undefined ? {} : { eventTime }),
        ...(streams === undefined ? {} : { streams }),
        ...(partitionBy === undefined ? {} : { partitionBy }),
        keyId: 'measured-kek',
        wrappingKey: wrapping.publicKey.export({ format: 'jwk' }),
      },
    ],
    queries: [
      {
        id: 'count',
        sql: 'SELECT count(*) AS n FROM measured',
        relations: ['measured'],
        window: { kind: 'whole' },
        latenessMs: 0,
        readers: ['analyst'],
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'test', sha384: '00'.repeat(48) }],
      minimumTcb: {},
      authorities: [{ issuer: 'https://attest.example', keys: [releaseKey] }],
    },
  });
  const identities = [owner, analyst].map(({ identityJson }) => parseIdentity(identityJson));
  let signed = await signContract(draft, pick(identities, 0));
  signed = await signContract(signed, pick(identities, 1));
  const { contract, contractId } = await verifyContract(signed);
  const dataset = pick(contract.datasets, 0);
  return {
    signedContract: signed,
    contract,
    contractId,
    dataset,
    owner: pick(identities, 0),
    analyst: pick(identities, 1),
    ownerJson: owner.identityJson,
    unwrapper: createUnwrapper(wrapping.privateKey, dataset.wrappingKey),
  };
}

function pick<Item>(items: readonly Item[], at: number): Item {
  const item = items[at];
  if (item === undefined) throw new Error('there is no such item');
  return item;
}

export interface Bench {
  readonly agreed: Agreed;
  readonly log: MemoryLog;
  readonly stateFolder: string;
  /** One run; it has a connection of its own to the log, as a new process has. */
  publish(source: string, options?: Partial<PublishRequest>): Promise<PublishReport>;
  entries(partition?: number): LogEntry[];
}

export function benchOf(agreed: Agreed, folder: string, name: string): Bench {
  const store = createMemoryStore();
  const log = createMemoryLog(store);
  const stateFolder = join(folder, name);
  const topic = datasetTopic(agreed.contractId, agreed.dataset.id);
  return {
    agreed,
    log,
    stateFolder,
    async publish(source, options = {}) {
      return publishBatches({
        signedContract: agreed.signedContract,
        datasetId: agreed.dataset.id,
        identity: agreed.owner,
        input: options.input ?? (await openInput(source)),
        format: 'auto',
        batchRows: 100,
        rule: { lagMs: 0, allowLate: false },
        final: true,
        checkFirst: true,
        stateFolder,
        log: createMemoryLog(store),
        signal: new AbortController().signal,
        clock: systemClock,
        logger: createLogger('producer', { level: 'silent' }),
        ...options,
      });
    },
    entries(partition) {
      return store.topics.has(topic) ? log.entries(topic, partition) : [];
    },
  };
}

export interface Received {
  readonly rows: unknown[][];
  readonly segments: number;
  /** Records that were there before, byte for byte. */
  readonly repeats: number;
  readonly watermarks: (number | null)[];
  readonly final: boolean;
}

/**
 * What a worker would make of the topic: records that were there before are dropped, everything
 * else must be the next of the one stream, and every manifest must agree with it.
 */
export async function receive({ agreed, entries }: Bench): Promise<Received> {
  const seen = new Set<string>();
  const arrowBatches: ArrowBatch[] = [];
  const segments = new Set<string>();
  const watermarks: (number | null)[] = [];
  let check: StreamCheck | undefined;
  for (const entry of entries()) {
    const sent = JSON.stringify([
      entry.key,
      entry.headers,
      Buffer.from(entry.value).toString('hex'),
    ]);
    if (seen.has(sent)) continue;
    seen.add(sent);
    if (entry.headers['ce_type'] === RECORD_TYPES.manifest) {
      const { manifest } = await verifyManifestRecord(entry, agreed);
      check ??= new StreamCheck(manifest);
      if (check.checkManifest(manifest) !== 'reached') throw new Error('a manifest is ahead');
      watermarks.push(manifest.watermark);
      continue;
    }
    if (entry.headers['ce_type'] === RECORD_TYPES.opening) {
      const { opening, jws } = await verifyOpeningRecord(entry, agreed);
      check?.open(opening, jws);
      continue;
    }
    if (entry.headers['ce_type'] === RECORD_TYPES.retraction) {
      const { retraction, jws } = await verifyRetractionRecord(entry, agreed);
      check?.accept(retraction, jws);
      continue;
    }
    const { seal, jws, plaintext } = await openBatch(entry, agreed);
    check ??= new StreamCheck(seal);
    check.accept(seal, jws);
    segments.add(seal.segment);
    arrowBatches.push({ rows: seal.rows, eventTime: seal.eventTime, cursor: 0, bytes: plaintext });
  }
  return {
    rows: rowsOf(arrowBatches),
    segments: segments.size,
    repeats: entries().length - seen.size,
    watermarks,
    final: check?.final ?? false,
  };
}
