import { type Case, goodBatches, goodCase, type Row } from './sealed-batch-cases.ts';
import { craftChain, startBehind } from './sealed-batch-cases-stream.ts';
import { craftBatch, craftManifest } from './sealed-batch-craft.ts';
import { type SigningKind, seed, type WrappingKind, worldOf } from './sealed-batch-keys.ts';

const SIGNERS: readonly SigningKind[] = ['ed25519', 'p256', 'p384'];
const WRAPPINGS: readonly WrappingKind[] = ['x25519', 'p256', 'p384', 'rsa3072'];

export async function goodCases(): Promise<Case[]> {
  return [
    ...(await goodBatches(EVERY_KEY)),
    ...(await goodBatches(EDGES)),
    ...(await goodStreams()),
    ...(await goodManifests()),
  ];
}

const EVERY_KEY: readonly Row[] = SIGNERS.flatMap((signing) =>
  WRAPPINGS.map((wrapping): Row => {
    const about = `Signed with ${signing}, wrapped to ${wrapping}.`;
    return [`${signing}-${wrapping}`, about, {}, worldOf(signing, wrapping)];
  }),
);

const LONG = `d${'-9'.repeat(31)}`;

const EDGES: readonly Row[] = [
  ['one-byte', 'The smallest plaintext.', { plaintext: Buffer.from('x') }],
  ['15-bytes', 'One byte less than a cipher block.', { plaintext: Buffer.alloc(15, 7) }],
  ['16-bytes', 'One cipher block.', { plaintext: Buffer.alloc(16, 7) }],
  ['17-bytes', 'One byte more than a cipher block.', { plaintext: Buffer.alloc(17, 7) }],
  ['4097-bytes', 'Several hundred blocks and a rest.', { plaintext: Buffer.alloc(4_097, 7) }],
  ['rows-max', 'As many rows as a batch may have.', { seal: { rows: 1_048_576 } }],
  ['one-row', 'As few rows as a batch may have.', { seal: { rows: 1 } }],
  ['one-instant', 'All rows at one time.', { seal: { eventTime: { min: 5, max: 5 } } }],
  ['before-1970', 'Event time below zero.', { seal: { eventTime: { min: -2, max: -1 } } }],
  [
    'time-extremes',
    'The smallest and the largest event time.',
    { seal: { eventTime: { min: -(2 ** 53 - 1), max: 2 ** 53 - 1 } } },
  ],
  [
    'no-event-time',
    'A dataset without event time.',
    {},
    worldOf('ed25519', 'x25519', { timed: false }),
  ],
  [
    'long-name',
    'A dataset id of 63 characters.',
    {},
    worldOf('ed25519', 'p256', { dataset: LONG }),
  ],
  [
    'segment-header-order',
    'The members of a wrapped secret have no fixed order.',
    {
      wrapping: {
        headerText: (text) =>
          JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse())),
      },
    },
  ],
];

async function goodStreams(): Promise<Case[]> {
  const world = worldOf('ed25519', 'p256');
  const chain = await craftChain(world, 4);
  const [first, second, third, fourth] = chain;
  if (!first || !second || !third || !fourth) throw new Error('four batches expected');
  const newSegment = await craftChain(world, 3, (sequence) => ({
    secret: seed(`segment ${sequence > 1}`),
  }));
  const start = startBehind(world, chain.slice(0, 2));
  const last = { sequence: 2 ** 48, epoch: 2 ** 48 };
  const far = await craftBatch(world, { seal: { ...last, previous: '11'.repeat(32) } });
  const farStart = { stream: world.stream, ...last, head: '11'.repeat(32), rows: 2 ** 40 };
  return [
    goodCase('chain', 'Four batches of one segment, each naming the one before.', world, chain),
    goodCase('chain-two-segments', 'A new secret in the middle of a stream.', world, newSegment),
    goodCase(
      'chain-restored',
      'A reader that goes on behind two batches.',
      world,
      [third, fourth],
      { start },
    ),
    goodCase('sequence-max', 'The largest sequence number and epoch.', world, [far], {
      start: farStart,
    }),
  ];
}

async function goodManifests(): Promise<Case[]> {
  const world = worldOf('p384', 'x25519');
  const chain = await craftChain(world, 3);
  const { sequence: sequences, ...rest } = startBehind(world, chain);
  const { head, rows } = rest;
  const manifest = (more: object = {}, at = world) =>
    craftManifest(at, { seal: { sequences, head, rows, ...more } });
  const early = startBehind(world, chain.slice(0, 2));
  const at2 = { sequences: 2, head: early.head, rows: early.rows };
  const untimed = worldOf('ed25519', 'p384', { timed: false });
  const ahead = { ...(await manifest({ sequences: 5, rows: 99, final: true })), accepted: 'ahead' };
  const [first] = chain;
  if (!first) throw new Error('three batches expected');
  return [
    goodCase('manifest', 'A manifest of all batches before it.', world, [
      ...chain,
      await manifest(),
    ]),
    goodCase('manifest-final', 'The end of a stream.', world, [
      ...chain,
      await manifest({ final: true }),
    ]),
    goodCase('manifest-first', 'A stream without a batch yet.', world, [
      await craftManifest(world),
    ]),
    goodCase('manifest-empty', 'A dataset without rows.', untimed, [
      await craftManifest(untimed, { seal: { final: true } }),
    ]),
    goodCase('manifest-ahead', 'A manifest of batches that have not come.', world, [first, ahead]),
    goodCase('manifest-repeated', 'Manifests may come again, and older ones too.', world, [
      ...chain,
      await manifest(),
      await manifest(at2),
      await manifest(),
    ]),
    goodCase('manifest-no-watermark', 'Nothing can be said of event time yet.', world, [
      ...chain,
      await manifest({ watermark: null }),
    ]),
    goodCase('manifest-watermark-below-zero', 'A watermark before 1970.', world, [
      ...chain,
      await manifest({ watermark: -1 }),
    ]),
  ];
}
