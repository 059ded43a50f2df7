import { badCase, type Case, goodCase } from './sealed-batch-cases.ts';
import { craftChain, startBehind } from './sealed-batch-cases-stream.ts';
import {
  type Crafted,
  type Crafting,
  craftBatch,
  craftManifest,
  craftOpening,
  craftRetraction,
  type Members,
  sha256,
} from './sealed-batch-craft.ts';
import { seed, type World, worldOf } from './sealed-batch-keys.ts';

/** Vectors of openings and retractions. */
export async function epochCases(): Promise<Case[]> {
  return [
    ...(await goodEpochs()),
    ...(await badOpenings()),
    ...(await badEpochs()),
    ...(await endedEpochs()),
    ...(await goodRetractions()),
    ...(await badRetractions()),
    ...(await misplacedRetractions()),
  ];
}

const hashOf = (crafted: Crafted) => sha256(crafted.jws).toString('hex');

/** Three batches of epoch 0, and where they end. */
async function sceneOf(world: World = worldOf('p256', 'x25519')) {
  const chain = await craftChain(world, 3);
  const [first, second, third] = chain;
  if (!first || !second || !third) throw new Error('three batches expected');
  const continuesAt = (count: number): Members => {
    const { epoch, sequence, head, rows } = startBehind(world, chain.slice(0, count));
    return { epoch, sequences: sequence, head, rows };
  };
  const opening = (count: number, seal: Members = {}, more: Crafting = {}) =>
    craftOpening(world, { ...more, seal: { continues: continuesAt(count), ...seal } });
  const batchBehind = (before: Crafted, sequence: number, epoch = 1, seal: Members = {}) =>
    craftBatch(world, {
      plaintext: Buffer.from(`batch ${sequence} of epoch ${epoch}`),
      secret: seed(`segment of epoch ${epoch}`),
      seal: { epoch, sequence, previous: hashOf(before), rows: 2, ...seal },
    });
  const good = (name: string, about: string, records: readonly Crafted[], more = {}) =>
    goodCase(name, about, world, records, more);
  const bad =
    (category: string, code: string) => (name: string, about: string, records: Crafted[]) =>
      badCase(category, code, name, about, world, records);
  return { world, chain, first, second, third, continuesAt, opening, batchBehind, good, bad };
}

async function goodEpochs(): Promise<Case[]> {
  const { world, chain, third, opening, batchBehind, good } = await sceneOf();
  const opened = await opening(3);
  const next = await batchBehind(opened, 3);
  const again = await opening(3, {
    epoch: 7,
    continues: { epoch: 1, sequences: 4, head: hashOf(next), rows: 8 },
  });
  const manifest = await craftManifest(world, {
    seal: { epoch: 1, sequences: 4, head: hashOf(next), rows: 8, final: true },
  });
  const early = { ...manifest, accepted: 'ahead' };
  const first = await craftOpening(world, {});
  const start = { stream: world.stream, epoch: 1, sequence: 3, head: hashOf(opened), rows: 6 };
  return [
    good('opening', 'An epoch that goes on behind three batches.', [...chain, opened, next]),
    good('opening-manifest', 'Its end.', [...chain, opened, next, manifest]),
    good('opening-ahead', 'A manifest of an epoch that has not come.', [...chain, early]),
    good('opening-twice', 'A second loss; numbers of epochs may have gaps.', [
      ...chain,
      opened,
      next,
      again,
      await batchBehind(again, 4, 7),
    ]),
    good('opening-first', 'Lost before a batch was sent.', [first, await batchBehind(first, 0)]),
    good('opening-restored', 'A reader that goes on behind an opening.', [next], { start }),
    good('opening-older', 'The end of what was counted: the rest of the epoch does not count.', [
      ...chain.slice(0, 2),
      await opening(2),
    ]),
    good('opening-named', 'A stream with a name of the contract.', [third], {
      world: { ...world, stream: 'gate-a' },
      ...(await namedChain(world)),
    }),
  ];
}

async function namedChain(world: World) {
  const named = { ...world, stream: 'gate-a' };
  const chain = await craftChain(named, 2);
  const records = chain.map(({ record }) => record);
  return { records, accepted: chain.map(({ accepted }) => accepted) };
}

async function badOpenings(): Promise<Case[]> {
  const { chain, opening, continuesAt, bad } = await sceneOf();
  const malformed = bad('opening', 'ERR_OPENING_MALFORMED');
  const at = continuesAt(3);
  const rows: [string, string, Members, Crafting?][] = [
    ...['v', 'contract', 'dataset', 'stream', 'epoch', 'continues'].map(
      (name): [string, string, Members] => [
        `missing-${name}`,
        `An opening without ${name}.`,
        { [name]: undefined },
      ],
    ),
    ['extra', 'A member that no opening has.', { note: '' }],
    ['same-epoch', 'It goes on from its own epoch.', { epoch: 0 }],
    ['rows-text', 'A count written as text.', { continues: { ...at, rows: '6' } }],
    ['no-head', 'It does not say where it goes on.', { continues: { ...at, head: undefined } }],
    ['value', 'An opening has no value.', {}, { record: (it) => ({ ...it, value: 'AA==' }) }],
    ['typ', 'The signature of a manifest.', {}, { header: { typ: 'strongroom-manifest+jws' } }],
    [
      'too-long',
      'A seal header over 4,096 characters.',
      {},
      { jws: (it) => it + 'A'.repeat(4_096) },
    ],
  ];
  const others: [string, string, string, Members, Crafting][] = [
    ['version', 'ERR_SEAL_VERSION', 'A version that no reader knows.', { v: 2 }, {}],
    ['algorithm', 'ERR_SEAL_ALGORITHM', 'No signature at all.', {}, { header: { alg: 'none' } }],
    ['kid', 'ERR_SEAL_SIGNATURE', 'Signed by nobody that is known.', {}, { header: { kid: 'x' } }],
    ['dataset', 'ERR_SEAL_CONTEXT', 'Of another dataset.', { dataset: 'airports' }, {}],
    [
      'headers',
      'ERR_RECORD_HEADERS',
      'The headers say another epoch.',
      {},
      { position: { epoch: 2 } },
    ],
  ];
  const cases = rows.map(async ([name, about, seal, more]) =>
    malformed(name, about, [...chain, await opening(3, seal, more)]),
  );
  const rest = others.map(async ([name, code, about, seal, more]) =>
    bad('opening', code)(name, about, [...chain, await opening(3, seal, more)]),
  );
  return Promise.all([...cases, ...rest]);
}

async function badEpochs(): Promise<Case[]> {
  const { world, chain, opening, continuesAt, bad } = await sceneOf();
  const mismatch = bad('opening', 'ERR_OPENING_MISMATCH');
  const opened = await opening(3);
  const final = await craftManifest(world, { seal: { ...continuesAt(3), final: true } });
  return [
    mismatch('too-early', 'More was counted than it goes on from.', [...chain, await opening(2)]),
    mismatch('other-head', 'Another history.', [
      ...chain,
      await opening(3, { continues: { ...continuesAt(3), head: '00'.repeat(32) } }),
    ]),
    mismatch('other-rows', 'Another number of rows.', [
      ...chain,
      await opening(3, { continues: { ...continuesAt(3), rows: 7 } }),
    ]),
    mismatch('behind-final', 'Nothing follows the end.', [...chain, final, opened]),
    mismatch('from-older-epoch', 'It goes on from an epoch that has ended.', [
      ...chain,
      opened,
      await opening(3, { epoch: 2 }),
    ]),
  ];
}

async function endedEpochs(): Promise<Case[]> {
  const { world, chain, third, opening, continuesAt, batchBehind, bad } = await sceneOf();
  const gap = bad('opening', 'ERR_STREAM_GAP');
  const ended = bad('opening', 'ERR_STREAM_EPOCH');
  const forked = bad('opening', 'ERR_STREAM_FORKED');
  const opened = await opening(3);
  const next = await batchBehind(opened, 3);
  const old = await batchBehind(third, 3, 0);
  const other = seed('other', 16).toString('base64url');
  const twin = await opening(3, { epoch: 1, continues: { ...continuesAt(3), epoch: 0, rows: 7 } });
  return [
    gap('too-late', 'What it goes on from has not come.', [...chain.slice(0, 2), opened]),
    gap('of-later-epoch', 'The opening between has not come.', [
      ...chain,
      await opening(3, { epoch: 2, continues: { ...continuesAt(3), epoch: 1 } }),
    ]),
    gap('batch-without', 'A batch of an epoch that was not opened.', [...chain, next]),
    ended('old-batch', 'A batch of an epoch that has ended.', [...chain, opened, old]),
    ended('old-batch-counted-on', 'The same, behind a batch.', [...chain, opened, next, old]),
    ended('old-manifest', 'A manifest of an epoch that has ended.', [
      ...chain,
      opened,
      await craftManifest(world, { seal: continuesAt(3) }),
    ]),
    ended('old-opening', 'An opening of an epoch that has ended.', [
      ...chain,
      await opening(3, { epoch: 5 }),
      await opening(3, { epoch: 4 }),
    ]),
    bad('opening', 'ERR_BATCH_REPLAYED')('replayed', 'The same opening once more.', [
      ...chain,
      opened,
      next,
      opened,
    ]),
    bad('opening', 'ERR_BATCH_REPLAYED')('replayed-batch', 'A counted batch of the epoch before.', [
      ...chain,
      opened,
      third,
    ]),
    forked('twin', 'Two openings of one epoch.', [...chain, opened, twin]),
    forked('batch-of-twin', 'A batch behind the other opening.', [
      ...chain,
      opened,
      await batchBehind(twin, 3),
    ]),
    forked('genesis', 'An epoch that begins as if it were the first.', [
      ...chain,
      opened,
      await batchBehind(third, 3),
    ]),
    bad('opening', 'ERR_STREAM_UNKNOWN')('other-stream', 'Of a second stream.', [
      ...chain,
      await opening(3, { stream: other }),
    ]),
  ];
}

async function goodRetractions(): Promise<Case[]> {
  const { world, chain, second, third, good, opening } = await sceneOf();
  const retracts = { sequence: 1, seal: hashOf(second) };
  const taken = await craftRetraction(world, {
    seal: { sequence: 3, previous: hashOf(third), retracts },
  });
  const more = await craftBatch(world, {
    plaintext: Buffer.from('behind a retraction'),
    seal: { sequence: 4, previous: hashOf(taken), rows: 5 },
  });
  const manifest = await craftManifest(world, {
    seal: { sequences: 5, head: hashOf(more), rows: 11, final: true },
  });
  const opened = await opening(3, {});
  const later = await craftRetraction(world, {
    seal: { epoch: 1, sequence: 3, previous: hashOf(opened), retracts },
  });
  return [
    good('retraction', 'A batch is taken back; its rows still stand in the manifest.', [
      ...chain,
      taken,
      more,
      manifest,
    ]),
    good('retraction-of-older-epoch', 'Numbers go on over all epochs.', [...chain, opened, later]),
  ];
}

async function badRetractions(): Promise<Case[]> {
  const { world, chain, second, third, bad } = await sceneOf();
  const retracts = { sequence: 1, seal: hashOf(second) };
  const retraction = (seal: Members = {}, more: Crafting = {}) =>
    craftRetraction(world, {
      ...more,
      seal: { sequence: 3, previous: hashOf(third), retracts, ...seal },
    });
  const malformed: [string, string, Members, Crafting?][] = [
    ...['v', 'contract', 'dataset', 'stream', 'epoch', 'sequence', 'previous', 'retracts'].map(
      (name): [string, string, Members] => [
        `missing-${name}`,
        `A retraction without ${name}.`,
        { [name]: undefined },
      ],
    ),
    ['extra', 'A member that no retraction has.', { rows: 0 }],
    ['itself', 'It takes itself back.', { retracts: { ...retracts, sequence: 3 } }],
    ['seal-short', 'Half a hash.', { retracts: { ...retracts, seal: '00'.repeat(16) } }],
    ['value', 'A retraction has no value.', {}, { record: (it) => ({ ...it, value: 'AA==' }) }],
    ['typ', 'The signature of a batch.', {}, { header: { typ: 'strongroom-batch+jws' } }],
  ];
  return Promise.all(
    malformed.map(async ([name, about, seal, more]) =>
      bad('retraction', 'ERR_RETRACTION_MALFORMED')(name, about, [
        ...chain,
        await retraction(seal, more),
      ]),
    ),
  );
}

async function misplacedRetractions(): Promise<Case[]> {
  const { world, chain, first, second, third, bad } = await sceneOf();
  const retracts = { sequence: 1, seal: hashOf(second) };
  const retraction = (seal: Members = {}, more: Crafting = {}) =>
    craftRetraction(world, {
      ...more,
      seal: { sequence: 3, previous: hashOf(third), retracts, ...seal },
    });
  const others: [string, string, string, Members, Crafting?][] = [
    ['version', 'ERR_SEAL_VERSION', 'A version that no reader knows.', { v: 2 }],
    ['algorithm', 'ERR_SEAL_ALGORITHM', 'No signature at all.', {}, { header: { alg: 'none' } }],
    ['contract', 'ERR_SEAL_CONTEXT', 'Of another contract.', { contract: '00'.repeat(32) }],
    [
      'headers',
      'ERR_RECORD_HEADERS',
      'The headers say another number.',
      {},
      { position: { sequence: 4 } },
    ],
    ['gap', 'ERR_STREAM_GAP', 'What is before it has not come.', { sequence: 4 }],
    ['forked', 'ERR_STREAM_FORKED', 'Another predecessor.', { previous: hashOf(second) }],
    ['other-epoch', 'ERR_STREAM_GAP', 'Of an epoch that was not opened.', { epoch: 1 }],
    [
      'in-place-of-batch',
      'ERR_STREAM_FORKED',
      'The number of a batch.',
      {
        sequence: 2,
        previous: hashOf(second),
      },
    ],
  ];
  const replayed = await retraction();
  const dropped = await craftBatch(world, { seal: { sequence: 3, previous: hashOf(third) } });
  const behind = await craftBatch(world, { seal: { sequence: 4, previous: hashOf(replayed) } });
  return [
    ...(await Promise.all(
      others.map(async ([name, code, about, seal, more]) =>
        bad('retraction', code)(name, about, [...chain, await retraction(seal, more)]),
      ),
    )),
    bad('retraction', 'ERR_BATCH_REPLAYED')('replayed', 'The same retraction once more.', [
      ...chain,
      replayed,
      replayed,
    ]),
    bad('retraction', 'ERR_STREAM_GAP')('hidden', 'The log drops a retraction.', [
      ...chain,
      behind,
    ]),
    bad('retraction', 'ERR_STREAM_FORKED')('replaced', 'A batch in the place of a retraction.', [
      first,
      second,
      third,
      replayed,
      dropped,
    ]),
  ];
}
