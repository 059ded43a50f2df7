import { createHash } from 'node:crypto';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { AUDIT_HEAD_JWS_TYPE } from '@strongroom/protocol/audit';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { plainRecordShape, RECORD_TYPES } from '@strongroom/protocol/record';
import { beforeEach, expect, test } from 'vitest';
import { collect, createScene, NOW, type Scene } from '../test/scene.ts';
import { proofFacts, proofLines } from './proof-text.ts';
import { readAggregates } from './read-aggregates.ts';

type Worker = Awaited<ReturnType<Scene['worker']>>;

let scene: Scene;
let worker: Worker;
beforeEach(async () => {
  scene = await createScene();
  worker = await scene.worker();
});

/** A receipt of an owner's log of one entry, as a worker publishes it. */
async function receiptRecord(owner: string, changes: Record<string, unknown> = {}) {
  const { signedBy = owner, ...more } = changes;
  const entry = canonicalBytes({
    ...{ sequence: 0, at: NOW, event: 'key-released', key: `kek-${owner}` },
    ...{ contract: scene.contractId, transportKeySha256: worker.transportKeySha256 },
    ...more,
  });
  const root = createHash('sha256').update(Buffer.of(0)).update(entry).digest('hex');
  const head = canonicalBytes({ v: 1, owner, size: 1, root, at: NOW });
  const jws = await scene.releaseSigner.sign(head, {
    typ: AUDIT_HEAD_JWS_TYPE,
    kid: String(signedBy),
  });
  const receipt = { v: 1, index: 0, entry: new TextDecoder().decode(entry), proof: [], head: jws };
  const shape = plainRecordShape(scene.contractId, RECORD_TYPES.receipt, `${owner}.0`);
  return { ...shape, value: canonicalBytes(receipt) };
}

async function readOne() {
  const { contract, contractId, authority, log, clock } = scene;
  const options = { contract, contractId, identity: authority, log, clock, roots: AMD_ROOTS };
  const [reading] = await collect(readAggregates(options));
  return reading?.kind === 'result' ? reading.result : expect.fail('no result');
}

test('a result says which owners have written the release of their key down', async () => {
  const north = await receiptRecord('north');
  await scene.append(worker.tokenRecord, north, north, await worker.seal());
  const result = await readOne();
  expect(proofFacts(result)).toMatchObject({
    receipts: [{ owner: 'north', key: 'kek-north', sequence: 0 }],
    ownersWithoutReceipt: ['south'],
  });
  expect(proofLines(result).filter((line) => line.startsWith('receipt'))).toEqual([
    'receipt   north: released kek-north, audit entry 0',
    'receipt   south: NONE on the log; ask it for its audit log',
  ]);
});

test.each<[string, Record<string, unknown>]>([
  ['of a refusal', { event: 'release-refused' }],
  ['of another contract', { contract: 'ab'.repeat(32) }],
  ['of another worker', { transportKeySha256: 'cd'.repeat(32) }],
  ['of a head that names another owner than it was signed for', { signedBy: 'south' }],
  ['of a party that has no service', { signedBy: 'institute' }],
  ['of nobody', { signedBy: 'nobody' }],
  ['without a key', { key: 1 }],
])('a receipt %s does not count', async (_name, changes) => {
  const record = await receiptRecord('north', changes);
  await scene.append(worker.tokenRecord, record, await worker.seal());
  expect((await readOne()).receipts).toEqual([]);
});

test('what is no receipt is passed over', async () => {
  const good = await receiptRecord('north');
  const values = ['', '{', 'null', '[]', '{"v":1}', '\xff'].map((text) =>
    Buffer.from(text, 'latin1'),
  );
  const records = values.map((value) => ({ ...good, value }));
  await scene.append(worker.tokenRecord, ...records, await worker.seal());
  expect((await readOne()).receipts).toEqual([]);
});
