import { describe, expect, test } from 'vitest';
import { canonicalBytes } from './canonical-json.ts';
import {
  type Contract,
  contractBytes,
  parseContract,
  parseContractBytes,
  partitionsOf,
  streamsOf,
} from './contract.ts';
import { codeOf } from './errors.ts';

const signingKey = (letter: string) => ({ kty: 'OKP', crv: 'Ed25519', x: letter.repeat(43) });
const wrapping = { kty: 'EC', crv: 'P-256', x: 'x'.repeat(43), y: 'y'.repeat(43) };
const release = {
  url: 'https://vault.west.example',
  releaseKey: { kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' },
  stateShareKeyId: 'state-share',
};

/** Two streams of each dataset, in partitions 0 and 1. */
// biome-ignore lint/suspicious/noExplicitAny: a draft, as those of the tables below
function sliced(draft: any, slices: number) {
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  for (const each of draft.datasets) each.streams = streams;
  return Object.assign(draft, { slices });
}

function example(): Record<string, unknown> {
  const columns = [
    { name: 'at', type: 'timestamp-us', nullable: false },
    { name: 'place', type: 'utf8', nullable: true },
  ];
  return {
    strongroom: 'contract/v1',
    title: 'Delays',
    purpose: 'Delay statistics over two airports',
    version: 1,
    parties: [
      { id: 'west', name: 'West', signingKey: signingKey('a'), keyRelease: release },
      { id: 'east', name: 'East', signingKey: signingKey('b'), keyRelease: release },
      { id: 'authority', name: 'Authority', signingKey: signingKey('c'), readingKey: wrapping },
    ],
    datasets: [dataset('flights-west', 'west', columns), dataset('flights-east', 'east', columns)],
    queries: [
      {
        id: 'daily',
        sql: 'SELECT place, count(*) AS n FROM flights GROUP BY place',
        relations: ['flights'],
        window: { kind: 'tumbling', sizeMs: 86_400_000 },
        latenessMs: 0,
        readers: ['authority'],
        disclosure: { minimumGroupRows: 10, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'build 1', sha384: '0'.repeat(96) }],
      minimumTcb: {},
      authorities: [{ issuer: 'https://attest.example', keys: [release.releaseKey] }],
    },
  };
}

const times = (from: string, until: string) => ({ from, until });

function dataset(id: string, owner: string, columns: unknown) {
  return {
    id,
    owner,
    relation: 'flights',
    columns,
    eventTime: 'at',
    keyId: 'kek',
    wrappingKey: wrapping,
  };
}

function shared(threshold: number, ...parties: string[]) {
  const holders = parties.map((party, index) => ({
    party,
    keyId: 'share',
    point: index + 1,
    sha256: String(index % 10).repeat(64),
  }));
  const wrappingKey = { ...wrapping, x: 'w'.repeat(43) };
  return { wrappingKey, keyShares: { threshold, holders, wrappedKey: 'AAAA' } };
}

function codeFrom(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

const decimal = (precision: number, scale: number) => ({ type: 'decimal128', precision, scale });

type Change = (draft: ReturnType<typeof mutable>) => void;
// A JSON copy whose members a test may set freely.
function mutable() {
  return JSON.parse(JSON.stringify(example()));
}

const FLOOR = { bootLoader: 1, tee: 0, snp: 1, microcode: 1 };

describe('contract', () => {
  test('may demand more of the machine below the enclave', () => {
    const draft = mutable();
    Object.assign(draft.enclave, {
      products: ['Genoa', 'Turin'],
      minimumTcb: { Genoa: { ...FLOOR, microcodeOf: { Bergamo: 2 } }, Turin: { ...FLOOR, fmc: 1 } },
      floorPreset: 'entrysign',
      guestPolicy: { vmpl: 1, forbidden: ['smt'], minimumAbi: { major: 1, minor: 55 } },
      platformInfo: { required: ['alias-check'], unknownBits: 'refused' },
      mitigations: { current: '3f' },
      killList: { chipIds: ['ab'.repeat(8)], tcbs: [{ product: 'Genoa', snp: 23 }] },
    });
    const contract = parseContract(draft);
    expect(parseContractBytes(contractBytes(contract))).toEqual(contract);
  });

  test('says how many guards there are; without the members its id is what it was', () => {
    const draft = mutable();
    const second = { issuer: 'https://second.example', keys: [wrapping] };
    draft.enclave.authorities.push(second);
    const before = contractBytes(parseContract(draft));
    expect(new TextDecoder().decode(before)).not.toMatch(/agreement|ownVerification/);
    Object.assign(draft.enclave, { agreement: 2, ownVerification: true });
    expect(parseContract(draft).enclave).toMatchObject({ agreement: 2, ownVerification: true });
  });

  test.each<[string, object, boolean]>([
    ['whole', { type: 'decimal128', precision: 18, scale: 4 }, true],
    ['of all digits behind the point', { type: 'decimal128', precision: 38, scale: 38 }, true],
    ['without its digits', { type: 'decimal128' }, false],
    ['without its scale', { type: 'decimal128', precision: 18 }, false],
    ['of no digit', { type: 'decimal128', precision: 0, scale: 0 }, false],
    ['of 39 digits', { type: 'decimal128', precision: 39, scale: 0 }, false],
    ['with more digits behind the point than it has', decimal(4, 5), false],
    ['that is none', { type: 'int32', precision: 9, scale: 0 }, false],
  ])('a decimal %s', (_name, column, isGood) => {
    const draft = mutable();
    draft.datasets[0].columns.push({ name: 'price', nullable: true, ...column });
    draft.datasets[1].columns.push({ name: 'price', nullable: true, ...column });
    const code = codeFrom(() => parseContract(draft));
    expect(code).toBe(isGood ? undefined : 'ERR_CONTRACT_MALFORMED');
  });

  test('puts a key under shares; without the member its id is what it was', () => {
    const draft = mutable();
    const before = contractBytes(parseContract(draft));
    expect(new TextDecoder().decode(before)).not.toContain('keyShares');
    draft.datasets[0] = { ...draft.datasets[0], ...shared(2, 'east', 'authority') };
    draft.parties[2].keyRelease = release;
    const contract = parseContract(draft);
    expect(parseContractBytes(contractBytes(contract))).toEqual(contract);
  });

  test.each<[string, Change]>([
    ['a threshold of one', (c) => Object.assign(c.datasets[0].keyShares, { threshold: 1 })],
    [
      'a threshold above the holders',
      (c) => Object.assign(c.datasets[0].keyShares, { threshold: 3 }),
    ],
    ['one holder', (c) => c.datasets[0].keyShares.holders.pop()],
    [
      'seventeen holders',
      (c) => Object.assign(c.datasets[0], shared(2, ...Array(17).fill('west'))),
    ],
    ['a holder twice', (c) => Object.assign(c.datasets[0].keyShares.holders[1], { party: 'west' })],
    ['a point twice', (c) => Object.assign(c.datasets[0].keyShares.holders[1], { point: 1 })],
    [
      'the point of the secret',
      (c) => Object.assign(c.datasets[0].keyShares.holders[1], { point: 0 }),
    ],
    [
      'a point beyond the field',
      (c) => Object.assign(c.datasets[0].keyShares.holders[1], { point: 256 }),
    ],
    [
      'one share for two',
      (c) => {
        const [first, second] = c.datasets[0].keyShares.holders;
        Object.assign(second, { sha256: first.sha256 });
      },
    ],
    ['an unknown holder', (c) => Object.assign(c.datasets[0].keyShares.holders[0], { party: 'x' })],
    [
      'a holder without key release',
      (c) => Object.assign(c.datasets[0].keyShares.holders[0], { party: 'authority' }),
    ],
    [
      'a share that is the state share',
      (c) => Object.assign(c.datasets[0].keyShares.holders[0], { keyId: 'state-share' }),
    ],
    [
      'a share that is a key of a dataset',
      (c) => Object.assign(c.datasets[0].keyShares.holders[1], { keyId: 'kek' }),
    ],
    [
      'a share of two datasets',
      (c) => {
        Object.assign(c.datasets[0], { wrappingKey: { ...wrapping, x: 'z'.repeat(43) } });
        Object.assign(c.datasets[1], shared(2, 'west', 'east'));
      },
    ],
    [
      'the key of another dataset, which its owner has alone',
      (c) => Object.assign(c.datasets[0], { wrappingKey: c.datasets[1].wrappingKey }),
    ],
    ['no wrapped key', (c) => delete c.datasets[0].keyShares.wrappedKey],
    ['more members', (c) => Object.assign(c.datasets[0].keyShares.holders[0], { share: 'x' })],
  ])('refuses shares with %s', (_name, change) => {
    const draft = mutable();
    draft.datasets[0] = { ...draft.datasets[0], ...shared(2, 'west', 'east') };
    expect(parseContract(JSON.parse(JSON.stringify(draft))).datasets[0]?.keyShares).toBeDefined();
    change(draft);
    expect(codeFrom(() => parseContract(draft))).toBe('ERR_CONTRACT_MALFORMED');
  });

  test('sets a size of results that all of their readers have room for in one step', () => {
    const draft = mutable();
    const [query] = draft.queries;
    const records = (count: number) => {
      query.disclosure.resultBytes = count * 900_000;
    };
    Object.assign(draft.parties[0], { readingKey: wrapping });
    records(32);
    expect(parseContract(draft).queries[0]?.disclosure.resultBytes).toBe(28_800_000);
    query.readers.push('west');
    expect(codeFrom(() => parseContract(draft))).toBe('ERR_CONTRACT_MALFORMED');
    records(16);
    expect(parseContract(draft).queries[0]?.readers).toHaveLength(2);
    query.readers.pop();
    records(33);
    expect(codeFrom(() => parseContract(draft))).toBe('ERR_CONTRACT_MALFORMED');
  });

  test('names streams of a dataset; without the member there is one, in partition 0', () => {
    const draft = mutable();
    const streams = [
      { id: 'gate-a', partition: 0 },
      { id: 'gate-b', partition: 3 },
    ];
    Object.assign(draft.datasets[0], { streams });
    const [west, east] = parseContract(draft).datasets;
    if (!west || !east) throw new Error('two datasets');
    expect(streamsOf(west)).toEqual(streams);
    expect(partitionsOf(west)).toBe(4);
    expect(streamsOf(east)).toEqual([{ partition: 0 }]);
    expect(partitionsOf(east)).toBe(1);
  });

  test.each<[string, unknown]>([
    ['none', []],
    ['one twice', [0, 1].map((partition) => ({ id: 'a', partition }))],
    ['no partition', [{ id: 'a' }]],
    ['a negative partition', [{ id: 'a', partition: -1 }]],
    ['a partition too many', [{ id: 'a', partition: 64 }]],
    ['65', Array.from({ length: 65 }, (_none, at) => ({ id: `a${at}`, partition: 0 }))],
    ['a random name', [{ id: 'AAAAAAAAAAAAAAAAAAAAAA', partition: 0 }]],
    ['a name of 23 letters', [{ id: 'a'.repeat(23), partition: 0 }]],
    ['a name with a space', [{ id: 'a b', partition: 0 }]],
  ])('refuses streams: %s', (_name, streams) => {
    const draft = mutable();
    Object.assign(draft.datasets[0], { streams });
    expect(codeFrom(() => parseContract(draft))).toBe('ERR_CONTRACT_MALFORMED');
  });

  test('has at most 256 streams in all', () => {
    const draft = mutable();
    const streams = Array.from({ length: 64 }, (_none, at) => ({ id: `a${at}`, partition: at }));
    const [first] = draft.datasets;
    draft.datasets = [1, 2, 3, 4].map((n) => ({ ...first, id: `d${n}`, streams }));
    expect(parseContract(draft).datasets).toHaveLength(4);
    draft.datasets.push({ ...first, id: 'd5' });
    expect(codeFrom(() => parseContract(draft))).toBe('ERR_CONTRACT_MALFORMED');
  });

  test('parses, and survives its canonical bytes', () => {
    const contract: Contract = parseContract(example());
    expect(parseContractBytes(contractBytes(contract))).toEqual(contract);
    expect(canonicalBytes(contract)).toEqual(contractBytes(contract));
  });

  test.each<[string, Change, string]>([
    ['unknown field', (c) => Object.assign(c, { extra: 1 }), ''],
    ['unknown field, deep', (c) => Object.assign(c.queries[0].window, { slide: 1 }), 'queries.0'],
    ['private key member', (c) => Object.assign(c.parties[0].signingKey, { d: 'x' }), 'parties.0'],
    ['unknown demand', (c) => Object.assign(c.enclave, { debug: true }), 'enclave'],
    [
      'a floor for a line that is not accepted',
      (c) => {
        Object.assign(c.enclave, { products: ['Turin'], minimumTcb: { Genoa: FLOOR } });
      },
      'enclave',
    ],
    [
      'firmware of a line that is not accepted',
      (c) => {
        const minimumFirmware = { Milan: { major: 1, minor: 55, build: 0 } };
        Object.assign(c.enclave, { products: ['Turin'], minimumFirmware });
      },
      'enclave',
    ],
    [
      'a part that a line does not have',
      (c) => {
        Object.assign(c.enclave, { minimumTcb: { Genoa: { ...FLOOR, fmc: 1 } } });
      },
      'enclave',
    ],
    [
      'GUEST_SVN without an ID key',
      (c) => {
        Object.assign(c.enclave, { idBlock: { minimumGuestSvn: 1 } });
      },
      'enclave.idBlock.idKeyDigests',
    ],
    [
      'a killed chip of a wrong length',
      (c) => {
        Object.assign(c.enclave, { killList: { chipIds: ['ab'] } });
      },
      'enclave.killList.chipIds',
    ],
    [
      'more agreement than authorities',
      (c) => Object.assign(c.enclave, { agreement: 2 }),
      'enclave',
    ],
    ['agreement of nobody', (c) => Object.assign(c.enclave, { agreement: 0 }), 'enclave.agreement'],
    [
      'one authority twice',
      (c) => c.enclave.authorities.push({ ...c.enclave.authorities[0], keys: [wrapping] }),
      'enclave',
    ],
    [
      'one key under two issuers that must agree',
      (c) => {
        c.enclave.authorities.push({ ...c.enclave.authorities[0], issuer: 'https://b.example' });
        Object.assign(c.enclave, { agreement: 2 });
      },
      'enclave',
    ],
    ['two parties of one id', (c) => Object.assign(c.parties[1], { id: 'west' }), 'parties'],
    [
      'two parties of one key',
      (c) => Object.assign(c.parties[1], { signingKey: signingKey('a') }),
      'parties',
    ],
    ['owner without key release', (c) => delete c.parties[0].keyRelease, 'datasets.flights-west'],
    ['reader without reading key', (c) => delete c.parties[2].readingKey, 'queries.daily'],
    ['relation that nobody owns', (c) => c.queries[0].relations.push('airports'), 'queries.daily'],
    [
      'nullable event time',
      (c) => Object.assign(c.datasets[0].columns[0], { nullable: true }),
      'datasets',
    ],
    [
      'event time of type text',
      (c) => Object.assign(c.datasets[0], { eventTime: 'place' }),
      'datasets',
    ],
    ...[
      ['event times without an end', { from: '2026-01-01T00:00:00Z' }],
      ['event times of another zone', times('2026-01-01T00:00:00+01:00', '2027-01-01T00:00:00Z')],
      ['event times in other words', times('2026-01-01T00:00:00.000Z', '2027-01-01T00:00:00Z')],
      ['event times of a day alone', times('2026-01-01', '2027-01-01')],
      ['event times of no day', times('2026-02-30T00:00:00Z', '2027-01-01T00:00:00Z')],
      ['event times that are none', times('2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z')],
    ].map(([what, eventTimes]): [string, Change, string] => [
      `${what}`,
      (c) => Object.assign(c.datasets[0], { eventTimes }),
      'datasets',
    ]),
    [
      'event times without an event time',
      (c) => {
        for (const each of c.datasets) delete each.eventTime;
        c.datasets[0].eventTimes = times('2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z');
      },
      'datasets.flights-west.eventTimes',
    ],
    ['unequal columns in one relation', (c) => c.datasets[1].columns.pop(), 'datasets'],
    [
      'window without event time',
      (c) => c.datasets.map((d: { eventTime?: string }) => delete d.eventTime),
      'queries.daily',
    ],
    [
      'a window that leaves rows out',
      (c) => {
        c.queries[0].window = { kind: 'hopping', sizeMs: 1_000, advanceMs: 2_000 };
      },
      'queries.daily.window',
    ],
    [
      'sessions of a column with nulls',
      (c) => {
        const more = { key: 'place', gapMs: 1, maximumMs: 1_000 };
        c.queries[0].window = { kind: 'session', sizeMs: 1_000, ...more };
      },
      'queries.daily.window',
    ],
    [
      'reserved dataset name',
      (c) => Object.assign(c.datasets[0], { id: 'aggregates' }),
      'datasets',
    ],
    [
      'a column that a later version adds',
      (c) => {
        for (const { columns } of c.datasets) Object.assign(columns[1], { since: 2 });
      },
      'datasets.flights-west.columns.place.since',
    ],
    ['one slice', (c) => Object.assign(c, { slices: 1 }), 'slices'],
    ['slices without named streams', (c) => Object.assign(c, { slices: 2 }), 'slices'],
    ['a slice without a stream', (c) => sliced(c, 3), 'slices'],
    [
      'slices with sessions',
      (c) => {
        sliced(c, 2);
        for (const { columns } of c.datasets) Object.assign(columns[1], { nullable: false });
        const more = { key: 'place', gapMs: 1, maximumMs: 1_000 };
        c.queries[0].window = { kind: 'session', sizeMs: 1_000, ...more };
      },
      'slices',
    ],
    ['amendment without predecessor', (c) => Object.assign(c, { version: 2 }), 'previous'],
    ['upper case in an id', (c) => Object.assign(c.queries[0], { id: 'Daily' }), 'queries.0.id'],
    ['unknown platform', (c) => Object.assign(c.enclave, { platform: 'any' }), 'enclave.platform'],
    [
      'an analysis rule of an unknown column',
      (draft) => Object.assign(draft.datasets[0], { rules: { columns: { x: { dimension: {} } } } }),
      'datasets.flights-west.rules',
    ],
  ])('refuses: %s', (_name, change, place) => {
    const draft = mutable();
    change(draft);
    try {
      parseContract(draft);
      expect.unreachable();
    } catch (error) {
      expect(codeOf(error)).toBe('ERR_CONTRACT_MALFORMED');
      expect(String((error as { facts?: { place?: string } }).facts?.place)).toContain(place);
    }
  });
});
