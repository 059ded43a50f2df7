import { sign } from 'node:crypto';
import { badBatches, type Case, type Row } from './sealed-batch-cases.ts';
import { payloadCases } from './sealed-batch-cases-payload.ts';
import { dropped, edit, flip, sealed } from './sealed-batch-changes.ts';
import {
  type Crafting,
  craftBatch,
  hmacWith,
  ORDERS,
  otherS,
  signLow,
} from './sealed-batch-craft.ts';
import { seed, signingKeyOf, type World, worldOf } from './sealed-batch-keys.ts';

/** Vectors of one record whose seal, place or headers are wrong. */
export async function sealCases(): Promise<Case[]> {
  const swapped = await craftBatch(worldOf(), { seal: { rows: 4 } });
  return [
    ...(await payloadCases()),
    ...(await badBatches('header', 'ERR_SEAL_MALFORMED', HEADERS)),
    ...(await badBatches('algorithm', 'ERR_SEAL_ALGORITHM', ALGORITHMS)),
    ...(await badBatches('signature', 'ERR_SEAL_SIGNATURE', [
      ...SIGNATURES,
      [
        'of-other-seal',
        'The signature of another seal.',
        { signature: () => lastPart(swapped.jws) },
      ],
    ])),
    ...(await badBatches('context', 'ERR_SEAL_CONTEXT', CONTEXTS)),
    ...(await badBatches('context', 'ERR_RECORD_HEADERS', RECORD_HEADERS)),
  ];
}

const lastPart = (jws: string) => Buffer.from(jws.split('.')[2] ?? '', 'base64url');
const changed = (name: string, value: string): Crafting => ({
  record: (it) => ({ ...it, headers: { ...it.headers, [name]: value } }),
});
const HEADERS: readonly Row[] = [
  [
    'typ-manifest',
    'A manifest signature is no seal.',
    { header: { typ: 'strongroom-manifest+jws' } },
  ],
  [
    'typ-contract',
    'A contract signature is no seal.',
    { header: { typ: 'strongroom-contract+jws' } },
  ],
  ['typ-capitals', 'The type in capital letters.', { header: { typ: 'STRONGROOM-BATCH+JWS' } }],
  ['typ-missing', 'A header without type.', { header: { typ: undefined } }],
  ['alg-missing', 'A header without algorithm.', { header: { alg: undefined } }],
  ['kid-missing', 'A header without key id.', { header: { kid: undefined } }],
  ['kid-number', 'A key id that is a number.', { header: { kid: 1 } }],
  ['crit', 'A critical extension.', { header: { crit: ['exp'], exp: 1 } }],
  ['b64', 'An unencoded payload.', { header: { b64: false, crit: ['b64'] } }],
  ['zip', 'Compression.', { header: { zip: 'DEF' } }],
  ['jwk', 'A key inside the header.', { header: { jwk: worldOf().extract.owner.signingKey } }],
  ['jku', 'A place to fetch keys from.', { header: { jku: 'https://keys.example' } }],
  ['x5c', 'A certificate inside the header.', { header: { x5c: ['AA=='] } }],
  ['spaces', 'White space in the header.', { headerText: edit(':', ': ') }],
  [
    'order',
    'Members in another order.',
    {
      headerText: (text) =>
        JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse())),
    },
  ],
  [
    'duplicate',
    'One member twice.',
    { headerText: edit('"kid":"north"', '"kid":"north","kid":"north"') },
  ],
  ['not-json', 'A header that is no JSON.', { headerText: () => 'EdDSA' }],
  ['list', 'A header that is a list.', { headerText: (text) => `[${text}]` }],
];

const es256 = worldOf('p256');
const es384 = worldOf('p384');
const { x: publicPart = '' } = worldOf().extract.owner.signingKey;

const ALGORITHMS: readonly Row[] = [
  ['none', 'No signature at all.', { header: { alg: 'none' }, signature: () => Buffer.alloc(0) }],
  [
    'hs256-public-key',
    'A MAC with the public key.',
    {
      header: { alg: 'HS256' },
      signature: (_own, signed) => hmacWith(Buffer.from(publicPart, 'base64url'), signed),
    },
  ],
  [
    'hs256-empty-key',
    'A MAC with an empty key.',
    {
      header: { alg: 'HS256' },
      signature: (_own, signed) => hmacWith('', signed),
    },
  ],
  ['es256-for-ed25519', 'ES256 where the contract has Ed25519.', { header: { alg: 'ES256' } }],
  ['eddsa-for-p256', 'EdDSA where the contract has P-256.', { header: { alg: 'EdDSA' } }, es256],
  ['es384-for-p256', 'ES384 where the contract has P-256.', { header: { alg: 'ES384' } }, es256],
  ['es256-for-p384', 'ES256 where the contract has P-384.', { header: { alg: 'ES256' } }, es384],
  [
    'ed25519-name',
    'The newer name of EdDSA (RFC 9864) is another text.',
    { header: { alg: 'Ed25519' } },
  ],
  ['rs256', 'An RSA signature.', { header: { alg: 'RS256' } }],
  ['capitals', 'The algorithm in capital letters.', { header: { alg: 'EDDSA' } }],
  ['empty', 'An empty algorithm.', { header: { alg: '' } }],
];

const stranger = signingKeyOf('ed25519', 'stranger');
const byStranger: Crafting = { signWith: (signed) => signLow(stranger, signed) };
const highS = (world: World) => (signature: Buffer) =>
  otherS(signature, world.extract.owner.signingKey['crv'] ?? '');
const der = (world: World, hash: string) => (_own: Buffer, signed: Buffer) =>
  sign(hash, signed, world.signingKey);

/** s + L: the same scalar in a second spelling (RFC 8032 §5.1.7). */
function plusOrder(signature: Buffer): Buffer {
  const order = BigInt('0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed');
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order;
  const bytes = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse();
  return Buffer.concat([signature.subarray(0, 32), bytes]);
}

const SIGNATURES: readonly Row[] = [
  ['flipped-first', 'One bit of R.', { signature: flip(0) }],
  ['flipped-last', 'One bit of s.', { signature: flip(63) }],
  ['empty', 'An empty signature.', { jws: edit(/[^.]*$/, '') }],
  ['short', 'A signature of 63 bytes.', { signature: (own) => own.subarray(0, 63) }],
  [
    'long',
    'A signature of 65 bytes.',
    { signature: (own) => Buffer.concat([own, Buffer.alloc(1)]) },
  ],
  ['zeros', 'A signature of zeros.', { signature: () => Buffer.alloc(64) }],
  ['stranger', "Another party signs in the owner's name.", byStranger],
  [
    'stranger-kid',
    'Another party signs in its own name.',
    { ...byStranger, header: { kid: 'south' } },
  ],
  ['owner-other-kid', 'The owner signs under another name.', { header: { kid: 'south' } }],
  ['kid-capitals', 'The name in other letters.', { header: { kid: 'North' } }],
  [
    'payload-changed',
    'A payload that was not signed.',
    {
      jws: (jws) => {
        const [header = '', payload = '', signature = ''] = jws.split('.');
        const text = Buffer.from(payload, 'base64url').toString().replace('"rows":3', '"rows":4');
        return [header, Buffer.from(text).toString('base64url'), signature].join('.');
      },
    },
  ],
  ['ed25519-plus-order', 'The second spelling of s.', { signature: plusOrder }],
  ['es256-high-s', 'The twin (r, n - s) of a valid signature.', { signature: highS(es256) }, es256],
  ['es384-high-s', 'The twin (r, n - s) of a valid signature.', { signature: highS(es384) }, es384],
  ['es256-der', 'A signature in DER.', { signature: der(es256, 'sha256') }, es256],
  ['es384-der', 'A signature in DER.', { signature: der(es384, 'sha384') }, es384],
  ['es256-zeros', 'r = s = 0.', { signature: () => Buffer.alloc(64) }, es256],
  [
    'es256-order',
    'r = s = n.',
    {
      signature: () => Buffer.from((ORDERS['P-256'] ?? 0n).toString(16).repeat(2), 'hex'),
    },
    es256,
  ],
  ['es384-short', 'One byte too few.', { signature: (own) => own.subarray(0, 95) }, es384],
  [
    'es256-other-hash',
    'P-256 over SHA-384.',
    {
      signature: (_own, signed) =>
        sign('sha384', signed, { key: es256.signingKey, dsaEncoding: 'ieee-p1363' }),
    },
    es256,
  ],
];

const CONTEXTS: readonly Row[] = [
  [
    'other-contract',
    'A batch of another contract of the same parties.',
    sealed({ contract: seed('2').toString('hex') }),
  ],
  [
    'other-dataset',
    'A batch of another dataset of the same owner.',
    sealed({ dataset: 'airports' }),
  ],
  [
    'other-dataset-headers',
    'The same, under headers of this dataset.',
    {
      seal: { dataset: 'airports' },
      record: (it) => ({
        ...it,
        headers: {
          ...it.headers,
          ce_source: `/contracts/${worldOf().extract.id}/datasets/flights`,
        },
      }),
    },
  ],
];

const RECORD_HEADERS: readonly Row[] = [
  [
    'header-id',
    'A header that names another sequence number.',
    changed('ce_id', 'AAAAAAAAAAAAAAAAAAAAAA.0.1'),
  ],
  [
    'header-source',
    'A header that names another dataset.',
    changed('ce_source', '/contracts/a/datasets/b'),
  ],
  [
    'header-type',
    'A header that names an unknown type.',
    changed('ce_type', 'strongroom.batch.v2'),
  ],
  ['header-version', 'Another version of CloudEvents.', changed('ce_specversion', '1.1')],
  ['header-content', 'Another content type.', changed('content-type', 'application/json')],
  ['header-missing', 'A header is missing.', dropped('ce_id')],
  ['header-extra', 'A header too many.', changed('traceparent', '00')],
  ['header-proto', 'A header called constructor.', changed('constructor', '')],
  ['key-other', 'Another record key.', { record: (it) => ({ ...it, key: 'north' }) }],
  ['key-none', 'No record key.', { record: (it) => ({ ...it, key: null }) }],
];
