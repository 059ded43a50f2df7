import { Writable } from 'node:stream';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { codeOf } from '@strongroom/protocol/errors';
import { createLogger } from '@strongroom/runtime/logger';
import { beforeEach, describe, expect, test } from 'vitest';
import { createScene, type Scene } from '../test/scene.ts';
import { type ShowResultsOptions, showResults } from './show-results.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await createScene();
});

/** What was written, how the output ended, and with which code. */
async function shown(changes: Partial<ShowResultsOptions> = {}) {
  const { contract, contractId, authority, log, clock } = scene;
  const written: string[] = [];
  let output = 'open';
  let logged = '';
  const destination = new Writable({
    write: (line, _encoding, done) => {
      logged += String(line);
      done();
    },
  });
  const ending = showResults({
    ...{
      contract,
      contractId,
      identity: authority,
      log,
      clock,
      roots: AMD_ROOTS,
      queries: contract.queries,
    },
    logger: createLogger('analyst', { destination }),
    writer: {
      hasWords: true,
      write: async ({ seal }) => {
        written.push(`${seal.query}.${seal.emission}`);
      },
      end: async ({ stoppedBy }) => {
        written.push(`ended by ${stoppedBy}`);
      },
      close: async () => {
        output = 'closed';
      },
      discard: async () => {
        output = 'discarded';
      },
    },
    ...changes,
  });
  const code = await ending.then(
    () => 'none',
    (error: unknown) => codeOf(error) ?? String(error),
  );
  const exitCode = process.exitCode;
  process.exitCode = 0;
  return { written, output, code, logged, exitCode };
}

async function publish(emissions: readonly number[], query = 'daily') {
  const worker = await scene.worker();
  await scene.append(worker.tokenRecord);
  for (const emission of emissions) await scene.append(await worker.seal({ emission, query }));
  return worker;
}

describe('showResults', () => {
  test('finishes an output that is whole', async () => {
    await publish([0, 1]);
    expect(await shown()).toMatchObject({
      written: ['daily.0', 'daily.1'],
      output: 'closed',
      code: 'none',
    });
  });

  test('keeps what is proven beside a refused record, and ends with its code', async () => {
    const worker = await publish([0]);
    const record = await worker.seal({ emission: 1 });
    await scene.append({ ...record, key: 'moved' }, record);
    const ended = await shown();
    expect(ended).toMatchObject({
      written: ['daily.0', 'daily.1'],
      output: 'closed',
      code: 'ERR_RECORD_HEADERS',
    });
    expect(ended.logged).toContain('"code":"ERR_RECORD_HEADERS"');
  });

  test('tells of a result that was withheld, where the format has room for words', async () => {
    const worker = await publish([0]);
    const content = { rows: 0, suppressedGroups: 0, withheld: 'too-large' } as const;
    await scene.append(await worker.seal({ emission: 1, content }));
    const told = await shown();
    expect(told).toMatchObject({ written: ['daily.0', 'daily.1'], code: 'none' });
    expect(told.logged).toContain('"reason":"too-large"');
    const written: number[] = [];
    const writer = {
      hasWords: false,
      write: async ({ seal }: { seal: { emission: number } }) => void written.push(seal.emission),
      end: async () => undefined,
      close: async () => undefined,
      discard: async () => undefined,
    };
    const columns = await shown({ writer });
    expect(columns.logged).toContain('result-withheld');
    expect(written).toEqual([0]);
  });

  test('discards an output with a gap', async () => {
    await publish([0, 2]);
    expect(await shown()).toMatchObject({
      written: ['daily.0'],
      output: 'discarded',
      code: 'ERR_AGGREGATE_GAP',
    });
  });

  test('shows so many windows of each query, and still looks at the others', async () => {
    const worker = await publish([0, 1, 2]);
    await scene.append(await worker.seal({ query: 'total' }));
    expect(await shown({ limit: 1 })).toMatchObject({
      written: ['daily.0', 'total.0'],
      output: 'closed',
    });
  });

  test('an interrupted reading is not finished, a followed one is', async () => {
    await publish([0]);
    const stopped = AbortSignal.abort();
    expect(await shown({ signal: stopped })).toMatchObject({ output: 'discarded', exitCode: 130 });
    const followed = await shown({ signal: stopped, follow: true });
    expect(followed).toMatchObject({ output: 'closed', exitCode: 0, code: 'none' });
  });

  test('says that the contract was ended, and follows no further', async () => {
    const worker = await publish([0]);
    await scene.append(await worker.notice());
    const follow = { follow: true };
    for (const changes of [{}, follow]) {
      const ended = await shown(changes);
      expect(ended).toMatchObject({ output: 'closed', code: 'none', exitCode: 0 });
      expect(ended.written).toEqual(['daily.0', 'ended by north']);
      expect(ended.logged).toContain('"contract-ended"');
    }
    await scene.append(await worker.seal({ emission: 1 }));
    expect(await shown()).toMatchObject({ code: 'ERR_CONTRACT_REVOKED' });
  });

  test('what cannot be written ends the reading and leaves nothing', async () => {
    await publish([0]);
    const full = Object.assign(new Error('full'), { code: 'ERR_DISK_FULL' });
    let discarded = false;
    const writer = {
      hasWords: true,
      write: () => Promise.reject(full),
      end: async () => undefined,
      close: async () => undefined,
      discard: async () => {
        discarded = true;
      },
    };
    expect(await shown({ writer })).toMatchObject({ code: 'ERR_DISK_FULL' });
    expect(discarded).toBe(true);
  });
});
