import type { ResponseOf } from './scripted-broker/messages.ts';
import { crc32c, encodeBatch, splitBatches, varint } from './scripted-broker/record-batch.ts';
import type { Exchange, Instead, Script } from './scripted-broker/scripted-broker.ts';
import { encode, int32 } from './scripted-broker/wire.ts';

/**
 * Lies on the wire, as scripts of the scripted broker: what a broker can say about one topic that
 * no reader should believe. Checksums are right where a liar would make them right.
 */

type Fetched = ResponseOf<'Fetch'>;
type FetchedPart = Fetched['topics'][number]['partitions'][number];
type MetadataSaid = ResponseOf<'Metadata'>;

/** How often a lie is told: the truth is told from then on. */
export interface Times {
  readonly topic: string;
  readonly times: number;
}

/** What a fetch says about the topic, whenever it says anything about it. */
export function fetchedAs(
  { topic, times }: Times,
  lie: (part: FetchedPart, exchange: Exchange<'Fetch'>) => FetchedPart | Instead,
): Script {
  let told = 0;
  return {
    async Fetch(exchange) {
      const answer = await exchange.truth();
      const part = answer.topics.find(({ name }) => name === topic)?.partitions[0];
      if (part === undefined || part.records.length === 0 || told >= times) return answer;
      told += 1;
      const said = lie(part, exchange);
      if (typeof said === 'string' || !('records' in said)) return said;
      const topics = answer.topics.map((each) =>
        each.name === topic ? { ...each, partitions: [said] } : each,
      );
      return { ...answer, topics };
    },
  };
}

/** Each of a fetch's record batches as something else; its checksum is made right again. */
export function batchesAs(where: Times, lie: (recordBatch: Buffer) => Buffer): Script {
  return fetchedAs(where, (part) => {
    const changed = splitBatches(part.records).map((each) => withChecksum(lie(Buffer.from(each))));
    return { ...part, records: Buffer.concat(changed) };
  });
}

/** The fields of a record batch, where they stand. */
export const AT = { baseOffset: 0, crc: 17, attributes: 21, firstTimestamp: 27, count: 57 };
const COVERED_AT = 21;

export function withChecksum<Bytes extends Buffer>(recordBatch: Bytes): Bytes {
  recordBatch.writeUInt32BE(crc32c(recordBatch.subarray(COVERED_AT)), AT.crc);
  return recordBatch;
}

/** What the metadata say, so many times. */
export function metadataAs(times: number, lie: (said: MetadataSaid) => MetadataSaid): Script {
  let told = 0;
  return {
    async Metadata({ truth }) {
      const said = await truth();
      if (told >= times) return undefined;
      told += 1;
      return lie(said);
    },
  };
}

/** The answer goes out under another number. */
export function misnumbered(exchange: Exchange<'Fetch'>): Instead {
  const body = encode(int32, 0);
  const head = [encode(int32, 4 + body.length), encode(int32, exchange.correlationId + 1_000)];
  return { frame: Buffer.concat([...head, body]) };
}

/** One record with such headers as no writer of ours has. */
export function headerFlood(names: readonly string[]): Buffer {
  const headers = names.map((name) => [name, Buffer.from('x')] as const);
  return encodeBatch([{ key: null, value: Buffer.from('flood'), headers }]);
}

/** Records of seven bytes and a few more, as many as are wanted. */
export function tinyRecords(count: number): Buffer {
  const compressed = Array.from({ length: count }, (_none, index) => {
    const body = Buffer.concat([0, 0, index, -1, -1, 0].map(varint));
    return Buffer.concat([varint(body.length), body]);
  });
  return encodeBatch([], { count, compressed: Buffer.concat(compressed) });
}

/** What compaction leaves of a batch of so many records: the first few of them, or none. */
export function compactedBatch(count: number, left: readonly string[]): Buffer {
  const records = left.map((text) => ({ key: null, value: Buffer.from(text) }));
  const recordBatch = encodeBatch(records, { count });
  recordBatch.writeInt32BE(left.length, AT.count);
  return withChecksum(recordBatch);
}
