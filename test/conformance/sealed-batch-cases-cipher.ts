import { badBatches, badCase, type Case, type Row } from './sealed-batch-cases.ts';
import { WRAPPED_SECRETS } from './sealed-batch-cases-segment.ts';
import { flip, placeOf, sealed } from './sealed-batch-changes.ts';
import {
  COMMITMENT,
  type Crafting,
  craftBatch,
  gcm,
  hkdf,
  PLAINTEXT,
  sha256,
  streamName,
} from './sealed-batch-craft.ts';
import { seed, worldOf } from './sealed-batch-keys.ts';
import { salamander } from './sealed-batch-salamander.ts';

/** Vectors of one record whose ciphertext, wrapped secret, commitment, tag or length is wrong. */
export async function cipherCases(): Promise<Case[]> {
  const signedAgain = await craftBatch(worldOf('p256'));
  return [
    ...(await badBatches('hash', 'ERR_CIPHERTEXT_HASH', HASHES)),
    ...(await badBatches('segment', 'ERR_SEGMENT_UNWRAP', WRAPPED_SECRETS)),
    ...(await badBatches('commitment', 'ERR_BATCH_UNOPENABLE', COMMITMENTS)),
    await salamanderCase(),
    ...(await badBatches('tag', 'ERR_BATCH_UNOPENABLE', [
      ...TAGS,
      [
        'of-other-signature',
        'The same payload signed twice has two seals, and a tag for each.',
        { tag: () => tagOf(signedAgain.record.value) },
        worldOf('p256'),
      ],
    ])),
    ...(await badBatches('truncation', 'ERR_CIPHERTEXT_HASH', TRUNCATIONS)),
    ...(await badBatches('truncation', 'ERR_BATCH_UNOPENABLE', NO_ROOM)),
    ...(await badBatches('length', 'ERR_BATCH_UNOPENABLE', LENGTHS)),
    ...(await badBatches('length', 'ERR_LIMIT_EXCEEDED', [
      ['value-too-long', 'One byte more than a value may have.', zeros(900_017)],
      ['value-far-too-long', 'A value as long as a record.', zeros(1_000_000)],
    ])),
    ...(await badBatches('length', 'ERR_CIPHERTEXT_HASH', [
      ['value-max', 'As long as a value may be, and of other bytes.', zeros(900_016)],
    ])),
  ];
}

const tagOf = (value = '') => Buffer.from(value, 'base64').subarray(-16);
const zeros = (count: number): Crafting => ({
  record: ({ key, headers }) => ({ key, headers, zeros: count }),
});

const HASHES: readonly Row[] = [
  ['flipped-first', 'The first bit of the ciphertext.', { ciphertext: flip(0, 128) }],
  ['flipped-last', 'The last bit of the ciphertext.', { ciphertext: flip(PLAINTEXT.length - 1) }],
  [
    'of-value',
    'The hash covers the tag too.',
    {
      // The tag covers the seal, so its hash cannot be known; any other one shows the same.
      seal: { ciphertextSha256: sha256('ciphertext and tag').toString('hex') },
    },
  ],
  [
    'of-plaintext',
    'The hash of the plaintext.',
    {
      plaintext: Buffer.from('known'),
      seal: { ciphertextSha256: sha256('known').toString('hex') },
    },
  ],
  [
    'longer',
    'A byte more of ciphertext.',
    { ciphertext: (own) => Buffer.concat([own, Buffer.alloc(1)]) },
  ],
  [
    'exchanged',
    'The ciphertext of another batch.',
    { ciphertext: () => Buffer.alloc(PLAINTEXT.length, 9) },
  ],
];

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

const COMMITMENTS: readonly Row[] = [
  [
    'of-other-key',
    'A commitment to another key.',
    sealed({ commitment: base64url(hkdf(seed('k'), COMMITMENT)) }),
  ],
  ['zeros', 'A commitment of zeros.', sealed({ commitment: base64url(Buffer.alloc(32)) })],
  [
    'flipped',
    'One bit of the commitment.',
    {
      payload: (text) =>
        text.replace(
          /("commitment":")(.)/,
          (_all, name, letter) => name + (letter === 'A' ? 'B' : 'A'),
        ),
    },
  ],
  [
    'is-key',
    'The data key itself as commitment.',
    { seal: { commitment: base64url(seed('d')) }, dataKey: seed('d') },
  ],
  [
    'key-of-next',
    'The key of the next sequence number, honestly committed to.',
    { position: { sequence: 1 }, record: resetHeaders },
  ],
  [
    'key-of-other-dataset',
    'The key of another dataset, honestly committed to.',
    {
      position: { dataset: 'airports' },
      record: resetHeaders,
      wrapping: { stream: streamName(placeOf(worldOf())) },
    },
  ],
];

/** The headers of the right position around a batch whose key was derived for another. */
function resetHeaders(record: { key: string | null; headers: Readonly<Record<string, string>> }) {
  const { contract, dataset, stream } = placeOf(worldOf());
  const place = {
    ce_source: `/contracts/${contract}/datasets/${dataset}`,
    ce_id: `${stream}.0.0`,
  };
  return { ...record, headers: { ...record.headers, ...place } };
}

/**
 * Since the tag covers a seal that names the ciphertext's hash, a salamander cannot have the right
 * hash: its last block depends on the seal. So the hash refuses it, before the commitment would.
 */
async function salamanderCase(): Promise<Case> {
  const world = worldOf();
  const at = placeOf(world);
  const info = `strongroom/batch-key/v1 ${streamName(at)} 0`;
  const keys = [hkdf(seed(`secret ${world.stream}`), info), seed('second key')] as const;
  const plaintext = Buffer.alloc(64, 'two readers, two plaintexts. ');
  const body = gcm(keys[0], plaintext).ciphertext;
  let made: { ciphertext: Buffer; tag: Buffer } | undefined;
  const crafted = await craftBatch(world, {
    plaintext,
    signature: (own, signed) => {
      const jws = `${signed}.${own.toString('base64url')}`;
      made = salamander(keys, Buffer.from(jws, 'ascii'), body);
      return own;
    },
    ciphertext: (own) => made?.ciphertext ?? own,
    tag: (own) => made?.tag ?? own,
  });
  const about = 'One ciphertext and tag that plain AES-256-GCM opens under two keys.';
  return badCase('commitment', 'ERR_CIPHERTEXT_HASH', 'salamander', about, world, [crafted], {
    keys: keys.map((key) => Buffer.from(key).toString('hex')),
  });
}

const TAGS: readonly Row[] = [
  ['flipped-first', 'The first bit of the tag.', { tag: flip(0, 128) }],
  ['flipped-last', 'The last bit of the tag.', { tag: flip(15) }],
  ['zeros', 'A tag of zeros.', { tag: () => Buffer.alloc(16) }],
  [
    'without-seal',
    'A tag that covers no seal.',
    {
      plaintext: Buffer.from('known'),
      dataKey: hkdf(
        seed(`secret ${worldOf().stream}`),
        `strongroom/batch-key/v1 ${streamName(placeOf(worldOf()))} 0`,
      ),
      tag: () =>
        gcm(
          hkdf(
            seed(`secret ${worldOf().stream}`),
            `strongroom/batch-key/v1 ${streamName(placeOf(worldOf()))} 0`,
          ),
          Buffer.from('known'),
        ).tag(new Uint8Array(0)),
    },
  ],
  [
    'first-half',
    'Eight bytes of the tag and eight zeros.',
    {
      tag: (own) => Buffer.concat([own.subarray(0, 8), Buffer.alloc(8)]),
    },
  ],
];

/** The value's last 16 bytes are the tag, whatever was cut off. */
const TRUNCATIONS: readonly Row[] = Array.from({ length: 16 }, (_, bytes): Row => {
  return [`tag-of-${bytes}`, `A tag of ${bytes} bytes.`, { tag: (own) => own.subarray(0, bytes) }];
});

const NO_ROOM: readonly Row[] = [0, 1, 15, 16].map((bytes): Row => {
  const value = Buffer.alloc(bytes).toString('base64');
  return [
    `value-of-${bytes}`,
    `A value of ${bytes} bytes.`,
    { record: (it) => ({ ...it, value }) },
  ];
});

const LENGTHS: readonly Row[] = [
  [
    'one-less',
    'A declared length of one byte less.',
    sealed({ plaintextBytes: PLAINTEXT.length - 1 }),
  ],
  [
    'one-more',
    'A declared length of one byte more.',
    sealed({ plaintextBytes: PLAINTEXT.length + 1 }),
  ],
  ['max', 'The largest length that can be declared.', sealed({ plaintextBytes: 16_777_216 })],
  [
    'with-tag',
    'A declared length that counts the tag.',
    sealed({ plaintextBytes: PLAINTEXT.length + 16 }),
  ],
];
