import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createUnwrapper, openBatch } from '../src/open.ts';
import { createStreamSealer, newStreamId, streamStart } from '../src/seal.ts';
import { smallContract } from './small-contract.ts';

/**
 * MB/s of sealing and opening against one-shot AES-256-GCM, one JSON line each:
 * node --conditions=strongroom:source packages/sealing/test/measure.ts
 */

const ROUNDS = 4;
const BYTES_PER_ROUND = 150_000_000;
const FACTS = { rows: 1, eventTime: { min: 0, max: 0 } };

const small = await smallContract();
const opener = {
  ...small,
  unwrapper: createUnwrapper(small.datasetKey, small.dataset.wrappingKey),
};

for (const bytes of [340_000, 900_000]) {
  const plaintext = randomBytes(bytes);
  const raw = {
    seal: await best(bytes, 1, async () => rawSeal(plaintext)),
    open: await best(bytes, 1, async () => rawOpen(plaintext)),
  };
  for (const inFlight of [1, 4]) {
    const sealer = newSealer();
    const { record } = await sealer.seal(plaintext, FACTS);
    const seal = await best(bytes, inFlight, () => sealer.seal(plaintext, FACTS));
    const open = await best(bytes, inFlight, () => openBatch(record, opener));
    print('seal', bytes, inFlight, seal, raw.seal);
    print('open', bytes, inFlight, open, raw.open);
  }
}

function newSealer() {
  const { contractId, dataset, owner } = small;
  const at = { contract: contractId, dataset: dataset.id, stream: newStreamId(), epoch: 0 };
  return createStreamSealer({
    contractId,
    dataset,
    stream: at.stream,
    epoch: 0,
    point: streamStart(at),
    signer: owner.signer,
    kid: 'owner',
    clock: { monotonic: () => performance.now() },
  });
}

function rawSeal(plaintext: Uint8Array): Buffer {
  const options = { authTagLength: 16 };
  const cipher = createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12), options);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  cipher.getAuthTag();
  return ciphertext;
}

/** Without its tag: `final` would throw, and costs nothing beside the rest. */
function rawOpen(ciphertext: Uint8Array): Buffer {
  const options = { authTagLength: 16 };
  const decipher = createDecipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12), options);
  return decipher.update(ciphertext);
}

interface Cost {
  /** Microseconds a call: by the clock, and of all threads. */
  readonly elapsed: number;
  readonly cpu: number;
}

/** The fastest of some rounds; the first one warms up. */
async function best(bytes: number, inFlight: number, run: () => Promise<unknown>): Promise<Cost> {
  const count = Math.ceil(BYTES_PER_ROUND / bytes);
  const rounds: Cost[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [start, cpuStart] = [process.hrtime.bigint(), process.cpuUsage()];
    const lanes = Array.from({ length: inFlight }, async (_, lane) => {
      for (let n = lane; n < count; n += inFlight) await run();
    });
    await Promise.all(lanes);
    const { user, system } = process.cpuUsage(cpuStart);
    const elapsed = Number(process.hrtime.bigint() - start) / 1_000 / count;
    rounds.push({ elapsed, cpu: (user + system) / count });
  }
  return rounds.slice(1).reduce((a, b) => (a.elapsed < b.elapsed ? a : b));
}

function print(name: string, bytes: number, inFlight: number, ours: Cost, raw: Cost): void {
  const line = {
    name: `${name}-${bytes}-${inFlight}-in-flight`,
    ours: Math.round(bytes / ours.elapsed),
    baseline: Math.round(bytes / raw.elapsed),
    ratio: Math.round((raw.elapsed / ours.elapsed) * 100) / 100,
    unit: 'MB/s',
    cpuMicroseconds: Math.round(ours.cpu),
    rawCpuMicroseconds: Math.round(raw.cpu),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
