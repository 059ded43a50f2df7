import type { Row } from './sealed-batch-cases.ts';
import { flip, placeOf, withLeftoverBit } from './sealed-batch-changes.ts';
import { type Crafting, streamName } from './sealed-batch-craft.ts';
import { publicJwkOf, seed, worldOf, wrappingKeyOf } from './sealed-batch-keys.ts';
import { ephemeralPair, type Wrapping } from './sealed-batch-wrap.ts';

const wrapped = (wrapping: Wrapping): Crafting => ({ wrapping });
const headed = (header: Record<string, unknown>): Crafting => wrapped({ header });
const p256 = worldOf('ed25519', 'p256');
const rsa = worldOf('ed25519', 'rsa3072');
const otherKey = publicJwkOf(wrappingKeyOf('x25519', 'another dataset'));
const fresh = publicJwkOf(ephemeralPair('X25519'));
const part = (index: number, change: (bytes: Buffer) => Uint8Array) =>
  wrapped({
    compact: (jwe) =>
      jwe
        .split('.')
        .map((text, at) =>
          at === index
            ? Buffer.from(change(Buffer.from(text, 'base64url'))).toString('base64url')
            : text,
        )
        .join('.'),
  });
const shorter = (bytes: Buffer) => bytes.subarray(0, -1);
const longer = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)]);

/** Wrapped secrets that a reader refuses. */
export const WRAPPED_SECRETS: readonly Row[] = [
  ['other-key', 'Wrapped to another key.', wrapped({ wrappingKey: otherKey })],
  ['other-stream', 'Wrapped for another stream.', wrapped({ stream: 'c d s 0' })],
  [
    'other-epoch',
    'Wrapped for another epoch.',
    {
      wrapping: { stream: streamName({ ...placeOf(worldOf()), epoch: 1 }) },
    },
  ],
  ['kid', 'Another key id.', headed({ kid: 'airports-key' })],
  ['typ', 'Another type.', headed({ typ: 'JWE' })],
  ['typ-missing', 'A header without type.', headed({ typ: undefined })],
  ['ctx-missing', 'A header without context.', headed({ ctx: undefined })],
  ['extra-apu', 'Party information that no secret has.', headed({ apu: 'AA' })],
  ['extra-cty', 'A content type.', headed({ cty: 'octet-stream' })],
  ['zip', 'Compression.', headed({ zip: 'DEF' })],
  ['crit', 'A critical extension.', headed({ crit: ['exp'], exp: 1 })],
  [
    'spaces',
    'White space in the header.',
    wrapped({ headerText: (text) => text.replace(':', ': ') }),
  ],
  [
    'duplicate',
    'One member twice.',
    {
      wrapping: { headerText: (text) => text.replace('"kid"', '"kid":"x","kid"') },
    },
  ],
  [
    'escape',
    'A letter written as an escape.',
    {
      wrapping: { headerText: (text) => text.replace('"kid"', '"\\u006bid"') },
    },
  ],
  ['header-not-json', 'A header that is no JSON.', wrapped({ headerText: () => 'jwe' })],
  ['header-null', 'A header that is null.', wrapped({ headerText: () => 'null' })],
  ['enc-128', 'AES-128 inside.', wrapped({ header: { enc: 'A128GCM' }, contentKeyBytes: 16 })],
  ['alg-128', 'A key wrap of 128 bits.', headed({ alg: 'ECDH-ES+A128KW' })],
  ['alg-direct', 'Key agreement without key wrap.', headed({ alg: 'ECDH-ES' })],
  ['alg-rsa-for-ecdh', 'RSA where the contract has X25519.', headed({ alg: 'RSA-OAEP-256' })],
  ['epk-missing', 'No ephemeral key.', headed({ epk: undefined })],
  [
    'epk-extra',
    'An ephemeral key with a member too many.',
    wrapped({ epk: (own) => ({ ...own, kid: '1' }) }),
  ],
  [
    'epk-private',
    'An ephemeral key with its private half.',
    wrapped({ epk: (own, d) => ({ ...own, d }) }),
  ],
  [
    'epk-other-curve',
    'An ephemeral key of another curve.',
    headed({ epk: publicJwkOf(ephemeralPair('P-256')) }),
  ],
  ['epk-list', 'An ephemeral key in a list.', wrapped({ epk: (own) => [own] })],
  [
    'epk-zero',
    'An X25519 point of small order: everybody agrees on zeros.',
    {
      wrapping: {
        header: { epk: { kty: 'OKP', crv: 'X25519', x: Buffer.alloc(32).toString('base64url') } },
        agreed: new Uint8Array(32),
      },
    },
  ],
  [
    'epk-off-curve',
    'A point that is not on P-256.',
    headed({
      epk: {
        kty: 'EC',
        crv: 'P-256',
        x: seed('x').toString('base64url'),
        y: seed('y').toString('base64url'),
      },
    }),
    p256,
  ],
  [
    'epk-leading-zero',
    'A coordinate of 33 bytes.',
    headed({
      epk: { kty: 'OKP', crv: 'X25519', x: Buffer.alloc(33, 9).toString('base64url') },
    }),
  ],
  ['epk-with-rsa', 'An ephemeral key beside RSA.', headed({ epk: fresh }), rsa],
  [
    'rsa-sha1',
    'RSA-OAEP with SHA-1.',
    wrapped({ header: { alg: 'RSA-OAEP' }, oaepHash: 'sha1' }),
    rsa,
  ],
  ['rsa-sha1-hidden', 'RSA-OAEP with SHA-1, called SHA-256.', wrapped({ oaepHash: 'sha1' }), rsa],
  ['rsa-key-short', 'An RSA block of 383 bytes.', part(1, shorter), rsa],
  ['secret-16-bytes', 'A secret of 16 bytes.', wrapped({ secret: seed('s', 16) })],
  ['secret-33-bytes', 'A secret of 33 bytes.', wrapped({ secret: seed('s', 33) })],
  ['key-short', 'A wrapped key of 39 bytes.', part(1, shorter)],
  ['key-flipped', 'One bit of the wrapped key.', part(1, flip(0))],
  ['iv-long', 'An IV of 13 bytes.', part(2, longer)],
  ['ciphertext-flipped', 'One bit of the wrapped secret.', part(3, flip(0))],
  ['tag-short', 'A tag of 15 bytes.', part(4, shorter)],
  ['tag-4-bytes', 'A tag of 4 bytes.', part(4, (bytes) => bytes.subarray(0, 4))],
  [
    'leftover-bits',
    'A wrapped key with another last letter.',
    {
      wrapping: { compact: (jwe) => jwe.replace(/\.[^.]*/, withLeftoverBit) },
    },
  ],
];
