import { describe, expect, it } from 'vitest';
import type { FetchedRecord } from './committed-records.ts';
import { LogError } from './log-error.ts';
import {
  type FetchedPartition,
  OFFSET_MAX,
  type PartitionFetcher,
  readEntries,
} from './read-entries.ts';

/** A partition with `length` records; `rounds` decides what each fetch does. */
interface Script {
  readonly end: number;
  readonly rounds: readonly (LogError | readonly number[] | 'hang')[];
}

function scripted({ end, rounds }: Script) {
  const seen = { opened: 0, closed: 0, positions: [] as number[], fetches: 0 };
  const open = async (): Promise<PartitionFetcher> => {
    seen.opened += 1;
    return {
      endOffset: async () => end,
      async fetch(positions): Promise<FetchedPartition[]> {
        seen.positions.push(positions[0]?.offset ?? -1);
        const round = rounds[seen.fetches++] ?? [];
        if (round === 'hang') return new Promise(() => undefined);
        if (round instanceof LogError) throw round;
        return [{ topic: 't', partition: 0, records: round.map(recordAt), aborted: [], end }];
      },
      async close() {
        seen.closed += 1;
      },
    };
  };
  return { open, seen };
}

function recordAt(offset: number): FetchedRecord {
  return {
    offset: String(offset),
    key: null,
    value: Buffer.from([offset]),
    isControlRecord: false,
    batchContext: { producerId: '-1', inTransaction: false },
  };
}

async function offsetsOf(script: ReturnType<typeof scripted>, signal?: AbortSignal) {
  const offsets: number[] = [];
  const options = { untilEnd: true, ...(signal === undefined ? {} : { signal }) };
  for await (const entries of readEntries(script.open, [{ topic: 't', offset: 0 }], options)) {
    offsets.push(...entries.map(({ offset }) => offset));
  }
  return offsets;
}

const moved = new LogError('ERR_LOG_FAILED', { reason: 'NOT_LEADER_FOR_PARTITION' });
const gone = new LogError('ERR_LOG_UNREACHABLE', { reason: 'KafkaJSConnectionError' });
const lost = new LogError('ERR_LOG_FAILED', { reason: 'OFFSET_OUT_OF_RANGE' });

describe('readEntries', () => {
  it('goes on at its position with a new client after an error that passes', async () => {
    const script = scripted({ end: 5, rounds: [[0, 1], moved, gone, [], [2, 3], [4]] });
    expect(await offsetsOf(script)).toEqual([0, 1, 2, 3, 4]);
    expect(script.seen.positions).toEqual([0, 2, 2, 2, 2, 4]);
    expect(script.seen).toMatchObject({ opened: 3, closed: 3 });
  });

  it('ends with an error that does not pass, after what came before it', async () => {
    const script = scripted({ end: 5, rounds: [[0, 1], lost] });
    const seen: number[] = [];
    const reading = (async () => {
      const options = { untilEnd: true };
      for await (const entries of readEntries(script.open, [{ topic: 't', offset: 0 }], options)) {
        seen.push(...entries.map(({ offset }) => offset));
      }
    })();
    await expect(reading).rejects.toBe(lost);
    expect(seen).toEqual([0, 1]);
    expect(script.seen).toMatchObject({ opened: 1, closed: 1 });
  });

  it('asks anew where an offset is one that no partition comes to', async () => {
    const script = scripted({ end: 3, rounds: [[0, OFFSET_MAX], [OFFSET_MAX * 2], [0, 1, 2]] });
    expect(await offsetsOf(script)).toEqual([0, 1, 2]);
    expect(script.seen).toMatchObject({ opened: 3, closed: 3 });
  });

  it('does not ask for ever where only what is behind it comes', async () => {
    const rounds = [[0, 1], ...Array.from({ length: 100 }, () => [-7, 0])];
    await expect(offsetsOf(scripted({ end: 5, rounds }))).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
      facts: { reason: 'NO_PROGRESS' },
    });
  });

  it('does not wait for ever on a log that says that there is more', async () => {
    const rounds = Array.from({ length: 100 }, () => []);
    await expect(offsetsOf(scripted({ end: 5, rounds }))).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
      facts: { reason: 'NO_PROGRESS' },
    });
  });

  it('takes nothing twice when a log returns old records again', async () => {
    const script = scripted({
      end: 4,
      rounds: [
        [0, 1, 2],
        [0, 1, 2, 3],
      ],
    });
    expect(await offsetsOf(script)).toEqual([0, 1, 2, 3]);
  });

  it('stops at once while a fetch hangs, and closes', async () => {
    const script = scripted({ end: 5, rounds: [[0], 'hang'] });
    expect(await offsetsOf(script, AbortSignal.timeout(20))).toEqual([0]);
    expect(script.seen).toMatchObject({ opened: 1, closed: 1 });
  });

  it('fetches one round ahead of its consumer and no more', async () => {
    const script = scripted({ end: 9, rounds: [[0], [1], [2], [3]] });
    const reading = readEntries(script.open, [{ topic: 't', offset: 0 }]);
    await reading.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(script.seen.fetches).toBe(2);
    await reading.return(undefined);
    expect(script.seen.closed).toBe(1);
  });
});
