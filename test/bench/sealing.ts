import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  type ColumnContract,
  type Contract,
  datasetOf,
  parseContract,
} from '@strongroom/protocol/contract';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import { systemClock } from '@strongroom/runtime/clock';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { createUnwrapper, openBatch } from '@strongroom/sealing/open';
import { createStreamSealer, newStreamId, streamStart } from '@strongroom/sealing/seal';
import { type Measured, median } from './measured.ts';

/**
 * Sealing and opening a stream of batches against AES-256-GCM alone over the same bytes, in turn.
 * Ours also hashes, signs or verifies, derives a key a batch and commits to it.
 */

/** A demo batch of 8,192 rows, and the largest that one record may carry. */
const SIZES = [200_000, CIPHERTEXT_BYTES_MAX];
const BYTES_A_ROUND = 200_000_000;
const ROUNDS = 5;
/** As many as a producer keeps under way. */
const OVERLAP = 8;

export async function benchSealing(): Promise<Measured[]> {
  const results: Measured[] = [];
  for (const size of SIZES) {
    const subject = await prepare(size);
    const speeds = { seal: [0], rawSeal: [0], open: [0], rawOpen: [0] };
    for (let round = 0; round < ROUNDS; round += 1) {
      speeds.rawSeal.push(rate(size, rawSealing(subject)));
      speeds.seal.push(await rateOf(size, () => sealing(subject)));
      speeds.rawOpen.push(rate(size, rawOpening(subject)));
      speeds.open.push(await rateOf(size, () => opening(subject)));
    }
    results.push(measured(`seal ${size} bytes`, speeds.seal, speeds.rawSeal));
    results.push(measured(`open ${size} bytes`, speeds.open, speeds.rawOpen));
  }
  return results;
}

type Subject = Awaited<ReturnType<typeof prepare>>;

async function prepare(size: number) {
  const { contract, contractId, owner, unwrapper } = await benchContract();
  const dataset = datasetOf(contract, 'bench');
  const position = { contract: contractId, dataset: dataset.id, stream: newStreamId(), epoch: 0 };
  const sealer = createStreamSealer({
    ...{ contractId, dataset, stream: position.stream, epoch: 0, point: streamStart(position) },
    ...{ signer: owner.signer, kid: owner.party, clock: systemClock },
  });
  const plaintext = randomBytes(size);
  const sealed = await sealer.seal(plaintext, { rows: 8_192, eventTime: null });
  const dataKey = randomBytes(32);
  const raw = gcm(dataKey, plaintext);
  const context = { contract, contractId, dataset, unwrapper };
  return { sealer, plaintext, record: sealed.record, context, dataKey, raw, count: count(size) };
}

const count = (size: number) => Math.ceil(BYTES_A_ROUND / size);

async function sealing({ sealer, plaintext, count: rounds }: Subject): Promise<void> {
  let underWay: Promise<unknown>[] = [];
  for (let index = 0; index < rounds; index += 1) {
    underWay.push(sealer.seal(plaintext, { rows: 8_192, eventTime: null }));
    if (underWay.length === OVERLAP) {
      await Promise.all(underWay);
      underWay = [];
    }
  }
  await Promise.all(underWay);
}

async function opening({ record, context, count: rounds }: Subject): Promise<void> {
  for (let index = 0; index < rounds; index += OVERLAP) {
    await Promise.all(Array.from({ length: OVERLAP }, () => openBatch(record, context)));
  }
}

function rawSealing({ dataKey, plaintext, count: rounds }: Subject): number {
  const began = performance.now();
  for (let index = 0; index < rounds; index += 1) gcm(dataKey, plaintext);
  return performance.now() - began;
}

function rawOpening({ dataKey, raw, count: rounds }: Subject): number {
  const began = performance.now();
  for (let index = 0; index < rounds; index += 1) {
    const decipher = createDecipheriv('aes-256-gcm', dataKey, NONCE, { authTagLength: 16 });
    decipher.setAuthTag(raw.tag);
    decipher.update(raw.ciphertext);
    decipher.final();
  }
  return performance.now() - began;
}

const NONCE = new Uint8Array(12);

function gcm(dataKey: Uint8Array, plaintext: Uint8Array) {
  const cipher = createCipheriv('aes-256-gcm', dataKey, NONCE, { authTagLength: 16 });
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** MB/s of a round that took so many milliseconds. */
function rate(size: number, milliseconds: number): number {
  return (count(size) * size) / 1_000 / milliseconds;
}

async function rateOf(size: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return rate(size, performance.now() - began);
}

function measured(name: string, ours: number[], baseline: number[]): Measured {
  const [left, right] = [median(ours.slice(1)), median(baseline.slice(1))];
  return {
    name: `${name}, against raw AES-256-GCM`,
    ours: Math.round(left),
    baseline: Math.round(right),
    ratio: Number((left / right).toFixed(2)),
    unit: 'MB/s',
  };
}

const VALUE: ColumnContract = { name: 'value', type: 'int64', nullable: false };

/** A contract about one dataset `bench` of these columns. */
export async function benchContract(columns: readonly ColumnContract[] = [VALUE], time?: string) {
  const made = await createIdentity('owner', { reading: false });
  const reader = await createIdentity('reader', { reading: true });
  const wrapping = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const { kty, n, e } = wrapping.publicKey.export({ format: 'jwk' });
  const wrappingKey = { kty, n, e };
  const url = 'https://localhost';
  const contract: Contract = parseContract({
    strongroom: 'contract/v1',
    title: 'Bench',
    purpose: 'Sealing measured against its cipher',
    version: 1,
    parties: [
      {
        id: 'owner',
        name: 'Owner',
        signingKey: made.signingKey,
        keyRelease: { url, releaseKey: wrappingKey, stateShareKeyId: 'share' },
      },
      { id: 'reader', name: 'R', signingKey: reader.signingKey, readingKey: reader.readingKey },
    ],
    datasets: [
      {
        ...{ id: 'bench', owner: 'owner', relation: 'bench', keyId: 'wrapping', wrappingKey },
        columns,
        ...(time === undefined ? {} : { eventTime: time }),
      },
    ],
    queries: [
      {
        ...{ id: 'count', sql: 'SELECT count(*) AS n FROM bench', relations: ['bench'] },
        ...{ window: { kind: 'whole' }, latenessMs: 0, readers: ['reader'] },
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'none', sha384: '0'.repeat(96) }],
      minimumTcb: {},
      authorities: [{ issuer: url, keys: [wrappingKey] }],
    },
  });
  const contractId: ContractId = ContractIdSchema.parse('0'.repeat(64));
  const unwrapper = createUnwrapper(wrapping.privateKey, datasetOf(contract, 'bench').wrappingKey);
  return { contract, contractId, owner: parseIdentity(made.identityJson), unwrapper };
}
