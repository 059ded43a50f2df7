import { createDecipheriv, createPrivateKey } from 'node:crypto';
import { ContractSchema } from '@strongroom/protocol/contract';
import { codeOf, isErrorCode } from '@strongroom/protocol/errors';
import { ContractIdSchema, StreamIdSchema } from '@strongroom/protocol/fields';
import { DataKey } from '@strongroom/sealing/data-key';
import {
  createUnwrapper,
  type OpenBatchContext,
  openBatch,
  recordTypeOf,
} from '@strongroom/sealing/open';
import { StreamCheck } from '@strongroom/sealing/stream-check';
import {
  verifyManifestRecord,
  verifyOpeningRecord,
  verifyRetractionRecord,
} from '@strongroom/sealing/verify';
import { describe, expect, test } from 'vitest';
import { COMMITMENT, hkdf, sha256 } from './sealed-batch-craft.ts';
import { publicJwkOf, signingKeyOf, wrappingKeyOf } from './sealed-batch-keys.ts';
import { openPlainly, readWithSecondReader } from './sealed-batch-second-reader.ts';
import { bytesOfValue, outcomesOf, readVectors, type Vector } from './sealed-batch-vector.ts';

const vectors = readVectors();

describe('the vectors of schemas/sealed-batch', () => {
  test('are many, most of them bad, and of every category', () => {
    const bad = vectors.filter((vector) => vector.expected.refused);
    expect(vectors.length).toBeGreaterThanOrEqual(90);
    expect(bad.length / vectors.length).toBeGreaterThanOrEqual(2 / 3);
    const categories = new Set(bad.map((vector) => vector.expected.refused?.category));
    expect([...categories].sort()).toEqual([
      'algorithm',
      'chain',
      'commitment',
      'compression',
      'context',
      'hash',
      'header',
      'length',
      'malformed',
      'manifest',
      'opening',
      'retraction',
      'segment',
      'signature',
      'tag',
      'truncation',
    ]);
    for (const { name, expected } of vectors) {
      expect([name, name.startsWith('bad-')]).toEqual([name, expected.refused !== undefined]);
      const code = expected.refused?.code;
      expect([name, code === undefined || isErrorCode(code)]).toEqual([name, true]);
    }
  });

  test.each(vectors.map((vector) => [vector.name, vector] as const))(
    '%s',
    async (_name, vector) => {
      const [ours, second] = [await readWithSealing(vector), await readWithSecondReader(vector)];
      expect(ours).toEqual(outcomesOf(vector));
      expect(second).toEqual(outcomesOf(vector));
    },
  );
});

/** What packages/sealing makes of each record: a SHA-256, `reached`, `ahead`, or an error code. */
async function readWithSealing(vector: Vector): Promise<string[]> {
  const context = contextOf(vector);
  let check = startOf(vector, context);
  const outcomes: string[] = [];
  for (const each of vector.records) {
    const record = { key: each.key, headers: each.headers, value: bytesOfValue(each) };
    try {
      switch (recordTypeOf(record)) {
        case 'manifest': {
          const { manifest } = await verifyManifestRecord(record, context);
          check ??= new StreamCheck(manifest);
          outcomes.push(check.checkManifest(manifest));
          break;
        }
        case 'opening': {
          const { opening, jws } = await verifyOpeningRecord(record, context);
          check ??= new StreamCheck(opening);
          outcomes.push(check.open(opening, jws));
          break;
        }
        case 'retraction': {
          const { retraction, jws } = await verifyRetractionRecord(record, context);
          check ??= new StreamCheck(retraction);
          check.accept(retraction, jws);
          outcomes.push('retracted');
          break;
        }
        default: {
          const { seal, jws, plaintext } = await openBatch(record, context);
          check ??= new StreamCheck(seal);
          check.accept(seal, jws);
          outcomes.push(sha256(plaintext).toString('hex'));
        }
      }
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined) throw error;
      outcomes.push(code);
    }
  }
  return outcomes;
}

function startOf(vector: Vector, { contractId, dataset }: OpenBatchContext) {
  if (!vector.start) return undefined;
  const { stream, epoch, sequence, head, rows } = vector.start;
  const position = {
    contract: contractId,
    dataset: dataset.id,
    stream: StreamIdSchema.parse(stream),
  };
  return new StreamCheck(position, { epoch, sequence, head, rows });
}

/** A whole contract around the extract; a reader of batches uses no more of it. */
function contextOf({ contract: extract }: Vector): OpenBatchContext {
  const issuer = publicJwkOf(signingKeyOf('p256', 'issuer'));
  const { eventTime } = extract.dataset;
  const contract = ContractSchema.parse({
    strongroom: 'contract/v1',
    title: 'Vectors',
    purpose: 'Conformance of sealed batches',
    version: 1,
    parties: [
      { ...extract.owner, name: 'North' },
      {
        id: 'south',
        name: 'South',
        signingKey: publicJwkOf(signingKeyOf('ed25519', 'stranger')),
        readingKey: publicJwkOf(wrappingKeyOf('p256', 'south')),
      },
    ],
    datasets: [
      {
        ...extract.dataset,
        owner: extract.owner.id,
        relation: 'flights',
        columns: [{ name: eventTime ?? 'code', type: 'timestamp-ms', nullable: false }],
      },
    ],
    queries: [
      {
        id: 'all',
        sql: 'SELECT count(*) AS n FROM flights',
        relations: ['flights'],
        window: { kind: 'whole' },
        latenessMs: 0,
        readers: ['south'],
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'none', sha384: '00'.repeat(48) }],
      minimumTcb: {},
      authorities: [{ issuer: 'https://attest.example', keys: [issuer] }],
    },
  });
  const [dataset] = contract.datasets;
  if (!dataset) throw new Error('one dataset expected');
  const key = createPrivateKey({ key: { ...extract.wrappingPrivateKey }, format: 'jwk' });
  const unwrapper = createUnwrapper(key, dataset.wrappingKey);
  return { contract, contractId: ContractIdSchema.parse(extract.id), dataset, unwrapper };
}

describe('the salamander', () => {
  const salamanders = vectors.filter((vector) => vector.expected.keys);

  test('is one record that plain AES-GCM opens under two keys, to two plaintexts', () => {
    expect(salamanders.length).toBe(1);
    for (const vector of salamanders) {
      const { jws, value, keys } = salamanderOf(vector);
      const opened = keys.map((key) => plainly(key, value, jws).toString('hex'));
      const second = keys.map((key) =>
        Buffer.from(openPlainly(key, value, jws) ?? []).toString('hex'),
      );
      expect(new Set(opened).size).toBe(2);
      expect(second).toEqual(opened);
    }
  });

  test('opens under one commitment with one of the two keys at most', () => {
    for (const vector of salamanders) {
      const { jws, value, keys } = salamanderOf(vector);
      const open = (key: Uint8Array, commitment: Uint8Array) =>
        new DataKey(Uint8Array.from(key)).open({
          ciphertext: value.subarray(0, -16),
          tag: value.subarray(-16),
          additional: Buffer.from(jws, 'ascii'),
          commitment,
        });
      const opens = keys.map((key) =>
        keys.map((other) => open(key, hkdf(other, COMMITMENT)) !== undefined),
      );
      expect(opens).toEqual([
        [true, false],
        [false, true],
      ]);
    }
  });
});

function salamanderOf(vector: Vector) {
  const [record] = vector.records;
  const jws = record?.headers['seal'];
  if (!record || jws === undefined) throw new Error('a sealed record expected');
  const keys = (vector.expected.keys ?? []).map((key) => Buffer.from(key, 'hex'));
  return { jws, value: Buffer.from(bytesOfValue(record)), keys };
}

function plainly(key: Uint8Array, value: Buffer, jws: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, new Uint8Array(12), { authTagLength: 16 });
  decipher.setAAD(Buffer.from(jws, 'ascii'));
  decipher.setAuthTag(value.subarray(-16));
  return Buffer.concat([decipher.update(value.subarray(0, -16)), decipher.final()]);
}
