import { withChecksum } from '@strongroom/testkit/lying-broker';
import { APIS } from '@strongroom/testkit/scripted-broker/messages';
import { encodeBatch, encodeMark } from '@strongroom/testkit/scripted-broker/record-batch';
import { encode } from '@strongroom/testkit/scripted-broker/wire';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import response from 'kafkajs/src/protocol/requests/fetch/v11/response.js';
import { describe, expect, test } from 'vitest';
import { toLogError } from './kafka-errors.ts';
import { partitionsOf } from './kafka-log.ts';
import type { LogEntry } from './log.ts';
import { LogError } from './log-error.ts';
import { OFFSET_MAX, type PartitionFetcher, readEntries } from './read-entries.ts';

/**
 * Answers to a fetch that were changed at random, some with their checksum made right again,
 * through the client's decoder and our reading: each is read, or asked for again, or refused with
 * a code; no other error, no hanging, and no more memory than is named.
 */

const isLong = process.env['STRONGROOM_LONG'] === '1';
const CASES = isLong ? 100_000 : 5_000;
/** They overlap, because a reading that asks again waits a little before. */
const AT_ONCE = 250;
const GROWTH_BYTES_MAX = 400 * 1024 * 1024;

const TOPIC = 'topic';
const END = 12;

/** Batches as a partition holds them: plain ones, a transaction that was aborted, one that was not. */
function honestBatches(): Buffer[] {
  const records = (count: number) =>
    Array.from({ length: count }, (_none, index) => ({
      key: Buffer.from(`key ${index}`),
      value: Buffer.alloc(40 * (index + 1), index),
      headers: [
        ['ce_type', Buffer.from('strongroom.batch.v1')],
        ['seal', Buffer.from('a.b.c'.repeat(10))],
      ] as const,
    }));
  const writer = { producerId: 7, producerEpoch: 1, transactional: true };
  return [
    encodeBatch(records(3), { baseOffset: 0 }),
    encodeBatch(records(2), { baseOffset: 3, ...writer }),
    encodeMark(false, { baseOffset: 5, ...writer }),
    encodeBatch(records(4), { baseOffset: 6, ...writer }),
    encodeMark(true, { baseOffset: 10, ...writer }),
    encodeBatch(records(1), { baseOffset: 11 }),
  ];
}

function answerOf(batches: readonly Buffer[], records: Buffer = Buffer.concat(batches)): Buffer {
  const part = {
    ...{ partition: 0, errorCode: 0, highWatermark: END, lastStableOffset: END },
    ...{ logStartOffset: 0, preferredReadReplica: -1, records },
    abortedTransactions: [{ producerId: 7, firstOffset: 3 }],
  };
  const topics = [{ name: TOPIC, partitions: [part] }];
  return encode(APIS.Fetch.response, { throttleTimeMs: 0, errorCode: 0, sessionId: 0, topics });
}

const HONEST = answerOf(honestBatches());

/** Offset, length, leader epoch, magic and CRC of a batch; what follows is covered. */
const COVERED_AT = 21;
const LENGTH_AT = 8;
const LENGTH_END = 12;

/** One batch, all of them, or the whole answer. Where it is one batch, its checksum is right. */
function changedAnswer(random: SeededRandom): Buffer {
  const batches = honestBatches();
  const at = random.below(batches.length);
  const changed = edited(batches[at] ?? Buffer.alloc(COVERED_AT), random, COVERED_AT);
  switch (random.below(4)) {
    case 0:
      return answerOf(batches.with(at, withChecksum(changed)));
    case 1:
      // Also the length that the batch says of itself.
      changed.writeInt32BE(changed.length - LENGTH_END, LENGTH_AT);
      return answerOf(batches.with(at, withChecksum(changed)));
    case 2:
      return answerOf(batches, edited(Buffer.concat(batches), random, 0));
    default:
      return edited(HONEST, random, 0);
  }
}

/** One to four edits behind `from`. */
function edited(bytes: Buffer, random: SeededRandom, from: number): Buffer {
  let all = [...bytes];
  for (let edits = 1 + random.below(4); edits > 0; edits -= 1) {
    const at = from + random.below(Math.max(1, all.length - from));
    all = random.pick(EDITS)(all, at, random);
  }
  return Buffer.from(all);
}

type Edit = (all: number[], at: number, random: SeededRandom) => number[];

const INTERESTING = [0, 1, 2, 0x7e, 0x7f, 0x80, 0xfe, 0xff];
const EDITS: readonly Edit[] = [
  (all, at, random) => all.toSpliced(at, 1, (all[at] ?? 0) ^ (1 << random.below(8))),
  (all, at, random) => all.toSpliced(at, 1, random.pick(INTERESTING)),
  (all, at, random) => all.toSpliced(at, 4, ...numberBytes(random)),
  (all, at, random) => all.toSpliced(at, 1 + random.below(16)),
  (all, at, random) => all.toSpliced(at, 0, ...all.slice(at, at + random.below(64))),
  (all, at, random) => all.toSpliced(at, 5, 0xfe, 0xff, 0xff, 0xff, random.below(0x20)),
  (all, at) => all.slice(0, at),
];

function numberBytes(random: SeededRandom): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(random.pick([-(2 ** 31), -2, -1, 0, 1, 255, 65_536, 2 ** 30, 2 ** 31 - 1]));
  return bytes;
}

/** What a reader comes to whose first answer is this one, and the truth the next one. */
async function outcomeOf(answer: Buffer): Promise<LogEntry[] | LogError> {
  const answers = [answer];
  const fetcher: PartitionFetcher = {
    endOffset: async () => END,
    async fetch() {
      try {
        const decoded = await response.parse(await response.decode(answers.shift() ?? HONEST));
        return partitionsOf(decoded.responses);
      } catch (error) {
        throw toLogError(error);
      }
    },
    close: async () => undefined,
  };
  const read: LogEntry[] = [];
  try {
    const from = [{ topic: TOPIC, offset: 0 }];
    for await (const entries of readEntries(async () => fetcher, from, { untilEnd: true })) {
      for (const entry of entries) read.push(entry);
    }
    return read;
  } catch (error) {
    if (error instanceof LogError) return error;
    throw error;
  }
}

describe('an answer to a fetch', () => {
  test('that is honest is read as it is', async () => {
    const outcome = await outcomeOf(HONEST);
    const offsets = outcome instanceof LogError ? [] : outcome.map(({ offset }) => offset);
    expect(offsets).toEqual([0, 1, 2, 6, 7, 8, 9, 11]);
  });

  test(`that was changed in ${CASES} ways is read, asked for again, or refused`, async () => {
    const random = seededRandom(5);
    const before = process.memoryUsage.rss();
    let refused = 0;
    let whole = 0;
    for (let done = 0; done < CASES; done += AT_ONCE) {
      const answers = Array.from({ length: AT_ONCE }, () => changedAnswer(random));
      for (const outcome of await Promise.all(answers.map(outcomeOf))) {
        if (outcome instanceof LogError) {
          refused += 1;
          continue;
        }
        const isBounded = outcome.every(({ offset }) => offset >= 0 && offset < OFFSET_MAX);
        expect(isBounded).toBe(true);
        if (outcome.length === 8) whole += 1;
      }
      expect(process.memoryUsage.rss() - before).toBeLessThan(GROWTH_BYTES_MAX);
    }
    // Otherwise nothing would have been tried: most are seen to be broken and asked for again, some
    // show what a liar may show, few cannot be gone on from.
    expect(whole).toBeGreaterThan(CASES / 3);
    expect(CASES - whole - refused).toBeGreaterThan(CASES / 100);
    expect(refused).toBeGreaterThan(0);
  }, 3_600_000);
});
