import { badBatches, badCase, badManifests, type Case } from './sealed-batch-cases.ts';
import {
  type Crafted,
  type Crafting,
  craftBatch,
  craftManifest,
  genesis,
  sha256,
} from './sealed-batch-craft.ts';
import { seed, type World, worldOf } from './sealed-batch-keys.ts';
import type { VectorStart } from './sealed-batch-vector.ts';

/** Vectors of several records, and of manifests. */
export async function streamCases(): Promise<Case[]> {
  return [...(await chainCases()), ...(await manifestCases()), ...(await manifestStreamCases())];
}

export async function craftChain(
  world: World,
  count: number,
  more: (sequence: number) => Crafting = () => ({}),
): Promise<Crafted[]> {
  const chain: Crafted[] = [];
  let previous = genesis(world);
  for (let sequence = 0; sequence < count; sequence += 1) {
    const crafting = more(sequence);
    const plaintext = Buffer.from(`batch ${sequence} of a chain`);
    const seal = { sequence, previous, rows: sequence + 1, ...crafting.seal };
    const crafted = await craftBatch(world, { plaintext, ...crafting, seal });
    previous = sha256(crafted.jws).toString('hex');
    chain.push(crafted);
  }
  return chain;
}

/** Where a reader stands behind these batches. */
export function startBehind(world: World, chain: readonly Crafted[]): VectorStart {
  const last = chain.at(-1);
  return {
    stream: world.stream,
    epoch: 0,
    sequence: chain.length,
    head: last ? sha256(last.jws).toString('hex') : genesis(world),
    rows: chain.reduce((rows, each) => rows + each.rows, 0),
  };
}

async function chainCases(): Promise<Case[]> {
  const world = worldOf();
  const chain = await craftChain(world, 3);
  const [first, second, third] = chain;
  if (!first || !second || !third) throw new Error('three batches expected');
  const plaintext = Buffer.from('another history');
  const secret = seed('another segment');
  const other = (seal: object) => craftBatch(world, { plaintext, secret, seal: { ...seal } });
  const forked = await other({ sequence: 1, previous: first.members['previous'] });
  const twin = await other({ sequence: 0 });
  const restart = startBehind(world, chain.slice(0, 2));
  const otherStream = await other({ stream: seed('other', 16).toString('base64url') });
  const bad = (code: string, name: string, about: string, records: Crafted[], more = {}) =>
    badCase('chain', code, name, about, world, records, more);
  return [
    bad('ERR_BATCH_REPLAYED', 'replayed', 'The same record once more.', [first, second, second]),
    bad('ERR_BATCH_REPLAYED', 'replayed-first', 'The oldest once more.', [...chain, first]),
    bad('ERR_BATCH_REPLAYED', 'replayed-restored', 'Counted before the restart.', [second], {
      start: restart,
    }),
    bad(
      'ERR_BATCH_REPLAYED',
      'replayed-forgotten',
      'A fork that is too old to be known.',
      [first],
      {
        start: { ...restart, sequence: 5_000 },
      },
    ),
    bad('ERR_STREAM_GAP', 'gap', 'One batch is missing.', [first, third]),
    bad('ERR_STREAM_GAP', 'no-beginning', 'The first batch is missing.', [second]),
    bad('ERR_STREAM_FORKED', 'forked', 'The next number, another predecessor.', [first, forked]),
    bad('ERR_STREAM_FORKED', 'twin', 'Two seals of one number.', [first, second, twin]),
    bad('ERR_STREAM_FORKED', 'twin-restored', 'A second seal of the newest number.', [forked], {
      start: restart,
    }),
    bad('ERR_STREAM_FORKED', 'genesis', 'The first batch names another beginning.', [
      await other({ previous: '00'.repeat(32) }),
    ]),
    bad('ERR_STREAM_FORKED', 'genesis-of-epoch', 'The beginning of another epoch.', [
      await other({ previous: genesis(world, 1) }),
    ]),
    bad('ERR_STREAM_UNKNOWN', 'other-stream', 'A second stream in one dataset.', [
      first,
      otherStream,
    ]),
    bad('ERR_STREAM_GAP', 'other-epoch', 'An epoch without its opening.', [
      first,
      await other({ epoch: 1 }),
    ]),
  ];
}

async function manifestCases(): Promise<Case[]> {
  const untimed = worldOf('ed25519', 'x25519', { timed: false });
  const batchSeal = await craftBatch(worldOf());
  const shape = 'ERR_MANIFEST_MALFORMED';
  const members = ['contract', 'dataset', 'stream', 'epoch', 'sequences', 'head', 'rows'];
  const missing = ['v', ...members, 'watermark', 'final'].map(
    (name): [string, string, Crafting] => [
      `missing-${name}`,
      `A manifest without ${name}.`,
      { seal: { [name]: undefined }, position: { [name]: 0 } },
    ],
  );
  return [
    ...(await badManifests('manifest', shape, missing)),
    ...(await badManifests('manifest', shape, [
      ['extra', 'A member that no manifest has.', { seal: { note: '' } }],
      ['final-text', 'A boolean written as text.', { seal: { final: 'false' } }],
      ['value', 'A manifest has no value.', { record: (it) => ({ ...it, value: 'AA==' }) }],
      ['too-long', 'A seal header over 4,096 characters.', { jws: (it) => it + 'A'.repeat(4_096) }],
      ['spaces', 'White space in the payload.', { payload: (it) => it.replace(':', ': ') }],
      ['typ', 'A batch signature is no manifest.', { header: { typ: 'strongroom-batch+jws' } }],
      ['batch-seal', 'The seal of a batch in a manifest.', { jws: () => batchSeal.jws }],
      ['watermark', 'Event time in a dataset that has none.', { seal: { watermark: 1 } }, untimed],
    ])),
    ...(await badManifests('manifest', 'ERR_SEAL_VERSION', [
      ['version', 'A version that no reader knows.', { seal: { v: 2 } }],
    ])),
    ...(await badManifests('manifest', 'ERR_SEAL_ALGORITHM', [
      ['algorithm', 'No signature at all.', { header: { alg: 'none' } }],
    ])),
    ...(await badManifests('manifest', 'ERR_SEAL_SIGNATURE', [
      ['signature', 'One bit of the signature.', { signature: flipFirst }],
    ])),
    ...(await badManifests('manifest', 'ERR_SEAL_CONTEXT', [
      ['contract', 'A manifest of another contract.', { seal: { contract: '00'.repeat(32) } }],
      ['dataset', 'A manifest of another dataset.', { seal: { dataset: 'airports' } }],
    ])),
    ...(await badManifests('manifest', 'ERR_RECORD_HEADERS', [
      [
        'headers-final',
        'The headers say final, the manifest does not.',
        { position: { final: true } },
      ],
      ['headers-key', 'Another record key.', { record: (it) => ({ ...it, key: 'north' }) }],
    ])),
    ...(await badBatches('manifest', 'ERR_SEAL_MALFORMED', [
      [
        'as-batch',
        'A manifest in the record of a batch.',
        {
          header: { typ: 'strongroom-manifest+jws' },
        },
      ],
    ])),
  ];
}

const flipFirst = (signature: Buffer) =>
  Buffer.concat([Buffer.of((signature[0] ?? 0) ^ 1), signature.subarray(1)]);

async function manifestStreamCases(): Promise<Case[]> {
  const world = worldOf('p256', 'x25519');
  const chain = await craftChain(world, 3);
  const point = (count: number) => {
    const { sequence, head, rows } = startBehind(world, chain.slice(0, count));
    return { sequences: sequence, head, rows };
  };
  const manifest = (seal: object) => craftManifest(world, { seal: { ...seal } });
  const [first, second, third] = chain;
  if (!first || !second || !third) throw new Error('three batches expected');
  const finalAt2 = await manifest({ ...point(2), final: true });
  const bad = (name: string, about: string, records: Crafted[], more = {}) =>
    badCase('manifest', 'ERR_MANIFEST_MISMATCH', name, about, world, records, more);
  const stream = seed('other', 16).toString('base64url');
  return [
    bad('head', 'Another chain head.', [
      ...chain,
      await manifest({ ...point(3), head: '00'.repeat(32) }),
    ]),
    bad('rows', 'Another number of rows.', [...chain, await manifest({ ...point(3), rows: 5 })]),
    bad('head-of-older', 'An older point with a newer head.', [
      ...chain,
      await manifest({ ...point(3), sequences: 2 }),
    ]),
    bad('final-too-early', 'Final, but a batch has come behind it.', [...chain, finalAt2]),
    bad('behind-final', 'A batch behind the end.', [first, second, finalAt2, third]),
    bad('ahead-of-final', 'More batches than the end names.', [
      first,
      second,
      finalAt2,
      await manifest(point(3)),
    ]),
    bad('empty-not-genesis', 'No batch, but a head.', [await manifest({ head: '00'.repeat(32) })]),
    badCase('manifest', 'ERR_STREAM_UNKNOWN', 'other-stream', 'Of a second stream.', world, [
      first,
      await manifest({ stream }),
    ]),
  ];
}
