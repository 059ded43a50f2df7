import { generateKeyPairSync } from 'node:crypto';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { codeOf, type ErrorCode } from '@strongroom/protocol/errors';
import { aggregatesTopic, SEAL_HEADER } from '@strongroom/protocol/record';
import type { LogRecord } from '@strongroom/record-log/log';
import { createSigner } from '@strongroom/sealing/sign';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { tableFromArrays } from 'apache-arrow';
import { beforeEach, describe, expect, test } from 'vitest';
import { collect, createScene, DAY_MS, MEASURED, NOW, type Scene } from '../test/scene.ts';
import type { ReadAggregatesOptions } from './read-aggregates.ts';
import { readAggregates } from './read-aggregates.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await createScene();
});

/** What a reader sees: results as query.emission, refusals as codes, and the code of the end. */
async function readAll(changes: Partial<ReadAggregatesOptions> = {}): Promise<string[]> {
  const { contract, contractId, authority, log, clock } = scene;
  const seen: string[] = [];
  const options = {
    contract,
    contractId,
    identity: authority,
    log,
    clock,
    roots: AMD_ROOTS,
    ...changes,
  };
  try {
    for await (const reading of readAggregates(options)) {
      if (reading.kind === 'refused') seen.push(reading.code);
      else if (reading.kind === 'ended') seen.push(`ended by ${reading.notice.stoppedBy}`);
      else seen.push(`${reading.result.seal.query}.${reading.result.seal.emission}`);
    }
  } catch (error) {
    seen.push(`end ${codeOf(error) ?? String(error)}`);
  }
  return seen;
}

async function publish(token: LogRecord | undefined, ...records: Promise<LogRecord>[]) {
  await scene.append(...(token ? [token] : []), ...(await Promise.all(records)));
}

describe('reads', () => {
  test('every proven result of every query, in order', async () => {
    const worker = await scene.worker();
    await publish(
      worker.tokenRecord,
      worker.seal(),
      worker.seal({ emission: 1 }),
      worker.seal({ query: 'total' }),
    );
    expect(await readAll()).toEqual(['daily.0', 'daily.1', 'total.0']);
    expect(await readAll({ query: 'total' })).toEqual(['total.0']);
  });

  test('rows, proof and window of a result', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal());
    const { contract, contractId, authority, log, clock } = scene;
    const options = { contract, contractId, identity: authority, log, clock, roots: AMD_ROOTS };
    const [reading] = await collect(readAggregates(options));
    const result = reading?.kind === 'result' ? reading.result : undefined;
    expect(result?.columns.map(({ name, cells }) => [name, cells])).toEqual([
      ['origin', ['A', 'B, "b"']],
      ['flights', [10n, 2n ** 60n]],
    ]);
    expect(result?.proof).toMatchObject({
      issuers: ['https://attest.example'],
      isOwnVerified: false,
      issuedAt: NOW,
      platform: 'simulated',
      measurement: MEASURED,
      measurementName: 'build 1',
      contract: scene.contractId,
    });
    expect(result?.seal.window).toEqual({
      start: Date.UTC(2001, 0, 1),
      end: Date.UTC(2001, 0, 2),
    });
  });

  test('an old result whose token has long expired', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal());
    const later = { now: () => NOW + 400 * DAY_MS, monotonic: () => 0 };
    expect(await readAll({ clock: later })).toEqual(['daily.0']);
  });

  test('a repeated record once', async () => {
    const worker = await scene.worker();
    const first = await worker.seal();
    await scene.append(worker.tokenRecord, first, first, await worker.seal({ emission: 1 }), first);
    expect(await readAll()).toEqual(['daily.0', 'daily.1']);
  });

  test('on over a restart of the worker, which has a new key and a higher epoch', async () => {
    const [before, after] = [await scene.worker(), await scene.worker()];
    await publish(before.tokenRecord, before.seal());
    await publish(after.tokenRecord, after.seal({ emission: 1, epoch: 1 }));
    expect(await readAll()).toEqual(['daily.0', 'daily.1']);
  });

  test("nothing of other readers' records, whatever is wrong with them", async () => {
    const worker = await scene.worker();
    const other = await worker.seal({ seal: { reader: 'institute' } });
    await scene.append(worker.tokenRecord, { ...other, key: 'x' }, await worker.seal());
    expect(await readAll()).toEqual(['daily.0']);
  });

  test('waits for more until it is stopped', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal());
    const stopping = new AbortController();
    const { contract, contractId, authority, log, clock } = scene;
    const read = {
      contract,
      contractId,
      identity: authority,
      log,
      clock,
      roots: AMD_ROOTS,
      follow: true,
    };
    const seen: number[] = [];
    for await (const reading of readAggregates({ ...read, signal: stopping.signal })) {
      if (reading.kind === 'result') seen.push(reading.result.seal.emission);
      if (seen.length === 1) await publish(undefined, worker.seal({ emission: 1 }));
      if (seen.length === 2) stopping.abort();
    }
    expect(seen).toEqual([0, 1]);
  });
});

test('waits for a topic that the worker has not made yet', async () => {
  const { contract, contractId, authority, clock } = scene;
  const log = createMemoryLog();
  const worker = await scene.worker();
  const read = {
    contract,
    contractId,
    identity: authority,
    log,
    clock,
    roots: AMD_ROOTS,
    follow: true,
  };
  const reading = readAggregates(read)[Symbol.asyncIterator]().next();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await log.createTopics([{ topic: aggregatesTopic(contractId) }]);
  await log.append(aggregatesTopic(contractId), [worker.tokenRecord, await worker.seal()]);
  expect((await reading).value?.kind).toBe('result');
});

describe('refuses a record and reads on', () => {
  const cases: Record<string, [ErrorCode, () => Promise<LogRecord[]>]> = {
    'signed by another key': [
      'ERR_AGGREGATE_SIGNATURE',
      async () => {
        const worker = await scene.worker();
        const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
        return [worker.tokenRecord, await worker.seal({ signer })];
      },
    ],
    'of which one byte was changed': [
      'ERR_AGGREGATE_MALFORMED',
      async () => {
        const worker = await scene.worker();
        const record = await worker.seal();
        record.value[0] = (record.value[0] ?? 0) ^ 1;
        return [worker.tokenRecord, record];
      },
    ],
    'of which the tag was changed': [
      'ERR_AGGREGATE_MALFORMED',
      async () => {
        const worker = await scene.worker();
        const record = await worker.seal();
        const last = record.value.length - 1;
        record.value[last] = (record.value[last] ?? 0) ^ 1;
        return [worker.tokenRecord, record];
      },
    ],
    'under another query': [
      'ERR_RECORD_HEADERS',
      async () => {
        const worker = await scene.worker();
        const record = await worker.seal();
        return [worker.tokenRecord, { ...record, key: 'total.authority' }];
      },
    ],
    'without a seal': [
      'ERR_AGGREGATE_MALFORMED',
      async () => {
        const worker = await scene.worker();
        const { [SEAL_HEADER]: _seal, ...headers } = (await worker.seal()).headers;
        return [{ ...(await worker.seal()), headers }];
      },
    ],
    'without a token': ['ERR_AGGREGATE_PROOF', async () => [await (await scene.worker()).seal()]],
    "under another worker's token": [
      'ERR_AGGREGATE_PROOF',
      async () => {
        const [worker, other] = [await scene.worker(), await scene.worker()];
        return [other.tokenRecord, await worker.seal()];
      },
    ],
    'of a window that the contract does not have': [
      'ERR_AGGREGATE_MALFORMED',
      async () => {
        const worker = await scene.worker();
        const seal = { window: { start: 1, end: 1 + DAY_MS } };
        return [worker.tokenRecord, await worker.seal({ seal })];
      },
    ],
    'with fewer rows than its content says': [
      'ERR_AGGREGATE_MALFORMED',
      async () => {
        const worker = await scene.worker();
        return [worker.tokenRecord, await worker.seal({ content: { rows: 7 } })];
      },
    ],
    'of another contract': [
      'ERR_CONTRACT_MISMATCH',
      async () => {
        const worker = await scene.worker();
        return [worker.tokenRecord, await worker.seal({ seal: { contract: '0'.repeat(64) } })];
      },
    ],
    'that was moved from another place': [
      'ERR_AGGREGATE_MALFORMED',
      async () => {
        const worker = await scene.worker();
        return [worker.tokenRecord, await worker.seal({ seal: { emission: 3 } })];
      },
    ],
  };

  test.each(Object.entries(cases))('%s', async (_name, [code, records]) => {
    await scene.append(...(await records()));
    const good = await scene.worker();
    await publish(good.tokenRecord, good.seal({ epoch: 9 }));
    expect(await readAll()).toEqual([code, 'daily.0']);
  });

  const tokens: Record<string, [ErrorCode, () => Record<string, unknown>]> = {
    'other code': [
      'ERR_MEASUREMENT_MISMATCH',
      () => ({ 'x-ms-sevsnpvm-launchmeasurement': 'cd'.repeat(48) }),
    ],
    'the same code under another contract': [
      'ERR_CONTRACT_MISMATCH',
      () => ({ runtime: { contract: 'e'.repeat(64) } }),
    ],
    'another purpose of the same code': [
      'ERR_TOKEN_INVALID',
      () => ({ runtime: { purpose: 'strongroom/evidence/v1' } }),
    ],
    'hardware where the contract says simulated': [
      'ERR_ROOT_KIND',
      () => ({ 'x-ms-attestation-type': 'sevsnpvm', 'x-strongroom-platform': 'amd' }),
    ],
    'a machine launched for another contract': [
      'ERR_APPRAISAL_REFUSED',
      () => ({ 'x-ms-sevsnpvm-hostdata': 'e'.repeat(64) }),
    ],
    'keys that its report does not bind': [
      'ERR_REPORT_DATA_MISMATCH',
      () => ({ 'x-ms-sevsnpvm-reportdata': '00'.repeat(64) }),
    ],
    'an authority that the contract does not name': [
      'ERR_TOKEN_INVALID',
      () => ({ iss: 'https://other.example' }),
    ],
    'a key that is not the authority’s': [
      'ERR_TOKEN_INVALID',
      () => ({ signingKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }),
    ],
    'the future': [
      'ERR_TOKEN_INVALID',
      () => ({ iat: NOW / 1_000 + 3_600, nbf: NOW / 1_000 + 3_600, exp: NOW / 1_000 + 7_200 }),
    ],
    'a time before it was valid': [
      'ERR_TOKEN_INVALID',
      () => ({ iat: NOW / 1_000 - 7_200, nbf: NOW / 1_000 - 3_600, exp: NOW / 1_000 }),
    ],
  };

  test.each(Object.entries(tokens))('whose token is of %s', async (_name, [code, claims]) => {
    const worker = await scene.worker(claims());
    await publish(worker.tokenRecord, worker.seal());
    expect(await readAll()).toEqual([code]);
  });
});

describe('stops', () => {
  test('where a result is left out', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal(), worker.seal({ emission: 2 }));
    expect(await readAll()).toEqual(['daily.0', 'end ERR_AGGREGATE_GAP']);
  });

  test('where the first result is left out', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal({ emission: 1 }));
    expect(await readAll()).toEqual(['end ERR_AGGREGATE_GAP']);
  });

  test('where a forged result hides a true one', async () => {
    const worker = await scene.worker();
    const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
    await publish(worker.tokenRecord, worker.seal(), worker.seal({ emission: 1, signer }));
    await publish(undefined, worker.seal({ emission: 2 }));
    expect(await readAll()).toEqual([
      'daily.0',
      'ERR_AGGREGATE_SIGNATURE',
      'end ERR_AGGREGATE_GAP',
    ]);
  });

  test('where an older epoch goes on, also of another query', async () => {
    const [older, newer] = [await scene.worker(), await scene.worker()];
    await publish(older.tokenRecord, older.seal());
    await publish(newer.tokenRecord, newer.seal({ emission: 1, epoch: 2 }));
    await publish(undefined, older.seal({ query: 'total', epoch: 1 }));
    expect(await readAll()).toEqual(['daily.0', 'daily.1', 'end ERR_AGGREGATE_GAP']);
  });

  test('where two workers share an epoch', async () => {
    const [one, twin] = [await scene.worker(), await scene.worker()];
    await publish(one.tokenRecord, one.seal());
    await publish(twin.tokenRecord, twin.seal({ emission: 1 }));
    expect(await readAll()).toEqual(['daily.0', 'end ERR_AGGREGATE_GAP']);
  });

  test('where one place has two results', async () => {
    const worker = await scene.worker();
    const table = tableFromArrays({ flights: ['x'] });
    await publish(worker.tokenRecord, worker.seal(), worker.seal({ table }));
    expect(await readAll()).toEqual(['daily.0', 'end ERR_AGGREGATE_GAP']);
  });

  test('before it reads for a party that no query names', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal());
    expect(await readAll({ identity: scene.institute })).toEqual(['end ERR_NOT_A_READER']);
    expect(await readAll({ identity: scene.north })).toEqual(['end ERR_NOT_A_READER']);
    expect(await readAll({ query: 'nothing' })).toEqual(['end ERR_USAGE']);
  });

  test('when it tries to open what was sealed to somebody else', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal());
    for (const identity of [scene.institute, scene.north]) {
      expect(await readAll({ identity, tryAll: true })).toEqual(['end ERR_NOT_A_READER']);
    }
  });
});

describe('a contract that an owner has ended', () => {
  test('is told once a worker, and nothing new behind it is believed', async () => {
    const worker = await scene.worker();
    const before = await worker.seal();
    const notice = await worker.notice();
    await publish(worker.tokenRecord, Promise.resolve(before));
    await scene.append(notice, notice, before, await worker.seal({ emission: 1 }));
    expect(await readAll()).toEqual(['daily.0', 'ended by north', 'ERR_CONTRACT_REVOKED']);
  });

  test('by an amendment: what left before is read, and nothing behind it', async () => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.seal());
    const successor = 'ab'.repeat(32);
    await scene.append(await worker.notice({ successor }), await worker.seal({ emission: 1 }));
    expect(await readAll()).toEqual(['daily.0', 'ended by north', 'ERR_CONTRACT_SUPERSEDED']);
  });

  test('no worker that comes later changes that', async () => {
    const [worker, next] = [await scene.worker(), await scene.worker()];
    await publish(worker.tokenRecord, worker.notice());
    await publish(next.tokenRecord, next.seal({ epoch: 1 }), next.notice({ epoch: 1 }));
    const ended = 'ended by north';
    expect(await readAll()).toEqual([ended, 'ERR_CONTRACT_REVOKED', ended]);
  });

  test.each([
    ['of a worker without a proof', 'ERR_AGGREGATE_PROOF', { token: '00'.repeat(32) }],
    ['of another contract', 'ERR_CONTRACT_MISMATCH', { contract: 'dd'.repeat(32) }],
    ['in the name of who owns nothing', 'ERR_NOTICE_INVALID', { stoppedBy: 'authority' }],
    ['in the name of nobody', 'ERR_NOTICE_INVALID', { stoppedBy: 'nobody' }],
    ['at a time that is none', 'ERR_NOTICE_INVALID', { at: Number.MAX_SAFE_INTEGER }],
    ['with a member more', 'ERR_NOTICE_INVALID', { more: 1 }],
  ])('a notice %s is refused and ends nothing', async (_name, code, changes) => {
    const worker = await scene.worker();
    await publish(worker.tokenRecord, worker.notice(changes), worker.seal());
    expect(await readAll()).toEqual([code, 'daily.0']);
  });

  test('nor does one that somebody else signed, or of another type', async () => {
    const [worker, other] = [await scene.worker(), await scene.worker()];
    const stranger = createSigner(generateKeyPairSync('ed25519').privateKey);
    await publish(worker.tokenRecord, worker.notice({}, stranger));
    const { key, headers } = await worker.notice();
    const seal = new TextEncoder().encode((await worker.seal()).headers[SEAL_HEADER]);
    await scene.append(other.tokenRecord, { key, headers, value: seal });
    await publish(undefined, worker.seal());
    expect(await readAll()).toEqual(['ERR_NOTICE_INVALID', 'ERR_NOTICE_INVALID', 'daily.0']);
  });
});
