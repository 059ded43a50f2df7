import type { SeededRandom } from '@strongroom/testkit/seeded-random';

/** What the log's operator can do to topics without any key. */

export interface TopicRecord {
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}
export type Topics = ReadonlyMap<string, readonly TopicRecord[]>;

/** Lies that a correct worker sees through without losing a row. */
export const HARMLESS_LIES = ['repeat', 'reorder', 'corrupt a copy', 'garbage', 'splice'] as const;
/** Lies that leave something out: a correct worker waits, and says what it waits for. */
export const WITHHOLDING_LIES = ['drop a batch', 'truncate', 'drop the final manifest'] as const;
export type Lie = (typeof HARMLESS_LIES)[number] | (typeof WITHHOLDING_LIES)[number];

/** Farther than this no batch is moved: workers hold a bounded number back. */
const REORDER_DISTANCE = 4;

export function tell(lie: Lie, topics: Topics, random: SeededRandom): Topics {
  const name = random.pick([...topics.keys()]);
  const records = [...(topics.get(name) ?? [])];
  const changed = change(lie, records, topics, random);
  return new Map([...topics, [name, changed]]);
}

function change(
  lie: Lie,
  records: TopicRecord[],
  topics: Topics,
  random: SeededRandom,
): TopicRecord[] {
  const at = random.below(records.length);
  const record = random.pick(records);
  const insert = (extra: TopicRecord) => records.toSpliced(at, 0, extra);
  switch (lie) {
    case 'repeat':
      return records.toSpliced(records.indexOf(record) + 1 + random.below(3), 0, record);
    case 'reorder': {
      const [moved] = records.splice(at, 1);
      return moved ? records.toSpliced(at + random.below(REORDER_DISTANCE), 0, moved) : records;
    }
    case 'corrupt a copy':
      return insert(corrupted(record, random));
    case 'garbage':
      return insert({ key: null, value: Uint8Array.of(random.below(256)), headers: {} });
    case 'splice':
      return insert(random.pick(random.pick([...topics.values()])));
    case 'drop a batch': {
      const dropped = random.pick(records.filter(({ value }) => value.length > 0));
      return records.toSpliced(records.indexOf(dropped), 1);
    }
    case 'truncate':
      return records.slice(0, at);
    case 'drop the final manifest':
      return records.slice(0, -1);
  }
}

/** One bit of the value, or one letter of the seal. */
function corrupted(record: TopicRecord, random: SeededRandom): TopicRecord {
  if (record.value.length > 0 && random.chance(0.5)) {
    const value = new Uint8Array(record.value);
    const at = random.below(value.length);
    value[at] = (value[at] ?? 0) ^ (1 << random.below(8));
    return { ...record, value };
  }
  const seal = record.headers['seal'] ?? '';
  const at = random.below(seal.length);
  const letter = seal[at] === 'A' ? 'B' : 'A';
  return {
    ...record,
    headers: { ...record.headers, seal: `${seal.slice(0, at)}${letter}${seal.slice(at + 1)}` },
  };
}
