import { badBatches, type Case, type Row } from './sealed-batch-cases.ts';
import { dropped, edit, sealed, withLeftoverBit } from './sealed-batch-changes.ts';
import { seed, worldOf } from './sealed-batch-keys.ts';

/** Vectors of one record whose compact form or payload is wrong. */
export async function payloadCases(): Promise<Case[]> {
  return [
    ...(await badBatches('malformed', 'ERR_SEAL_MALFORMED', COMPACT_FORM)),
    ...(await badBatches('malformed', 'ERR_SEAL_MALFORMED', PAYLOAD_TEXT)),
    ...(await badBatches('malformed', 'ERR_SEAL_MALFORMED', MISSING)),
    ...(await badBatches('malformed', 'ERR_SEAL_MALFORMED', MEMBERS)),
    ...(await badBatches('malformed', 'ERR_SEAL_VERSION', VERSIONS)),
  ];
}

const COMPACT_FORM: readonly Row[] = [
  ['no-seal', 'A record without seal.', dropped('seal')],
  ['empty-seal', 'An empty seal.', { jws: () => '' }],
  ['two-parts', 'A JWS without its signature part.', { jws: edit(/\.[^.]*$/, '') }],
  ['four-parts', 'A part too many.', { jws: (jws) => `${jws}.AA` }],
  ['padding', 'Base64 padding behind the signature.', { jws: (jws) => `${jws}==` }],
  ['line-end', 'A line end behind the signature.', { jws: (jws) => `${jws}\n` }],
  ['space', 'A space before the seal.', { jws: (jws) => ` ${jws}` }],
  ['alphabet', "The alphabet of base64 instead of base64url's.", { jws: edit(/\.ey/, '.+y') }],
  ['leftover-bits', 'A signature with another last letter.', { jws: withLeftoverBit }],
  ['letter-too-many', 'A length that no byte string has.', { jws: (jws) => `${jws}AAA` }],
  [
    'json-form',
    'The JSON serialisation of the same JWS.',
    {
      jws: (jws) => {
        const [protectedHeader, payload, signature] = jws.split('.');
        return JSON.stringify({ payload, protected: protectedHeader, signature });
      },
    },
  ],
  ['too-long', 'A seal over 8,192 characters.', { jws: (jws) => jws + 'A'.repeat(8_192) }],
];

const PAYLOAD_TEXT: readonly Row[] = [
  ['not-json', 'A payload that is no JSON.', { payload: (text) => text.slice(0, -1) }],
  ['null', 'A payload that is null.', { payload: () => 'null' }],
  ['list', 'A list around the payload.', { payload: (text) => `[${text}]` }],
  ['white-space', 'White space in the payload.', { payload: edit(':', ': ') }],
  ['trailing-line', 'A line end behind the payload.', { payload: (text) => `${text}\n` }],
  ['byte-order-mark', 'A byte order mark.', { payload: (text) => `\ufeff${text}` }],
  [
    'other-order',
    'Members in another order.',
    {
      payload: (text) =>
        JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse())),
    },
  ],
  [
    'duplicate',
    'One member twice, with one value.',
    { payload: edit('"rows":3', '"rows":3,"rows":3') },
  ],
  [
    'duplicate-other',
    'One member twice, with two values.',
    {
      payload: edit('"rows":3', '"rows":9,"rows":3'),
    },
  ],
  [
    'number-point',
    'A number with a fraction of zero.',
    { payload: edit('"rows":3', '"rows":3.0') },
  ],
  ['number-exponent', 'A number with an exponent.', { payload: edit('"rows":3', '"rows":3e0') }],
  ['minus-zero', 'Minus zero.', { payload: edit('"sequence":0', '"sequence":-0') }],
  ['escape', 'A letter written as an escape.', { payload: edit('"rows"', '"\\u0072ows"') }],
  [
    'not-utf8',
    'A byte that is no UTF-8.',
    {
      payload: (text) => Buffer.from(text.replace('flights', 'fl\u00ffghts'), 'latin1'),
    },
  ],
];

const NAMES = ['v', 'contract', 'dataset', 'stream', 'epoch', 'sequence', 'previous', 'eventTime'];
const MISSING: readonly Row[] = [
  ...NAMES,
  'rows',
  'plaintextBytes',
  'ciphertextSha256',
  'commitment',
  'segment',
].map((name): Row => [`missing-${name}`, `A seal without ${name}.`, sealed({ [name]: undefined })]);

const untimed = worldOf('ed25519', 'x25519', { timed: false });

const MEMBERS: readonly Row[] = [
  ['extra', 'A member that no seal has.', sealed({ note: '' })],
  ['extra-proto', 'A member called __proto__.', { payload: edit('{', '{"__proto__":{},') }],
  ['rows-0', 'A batch without rows.', sealed({ rows: 0 })],
  ['rows-many', 'More rows than a batch may have.', sealed({ rows: 1_048_577 })],
  ['rows-text', 'A number written as text.', sealed({ rows: '3' })],
  ['rows-fraction', 'Half a row.', sealed({ rows: 3.5 })],
  ['sequence-negative', 'A sequence number below zero.', sealed({ sequence: -1 })],
  ['sequence-large', 'A sequence number over 2^48.', sealed({ sequence: 2 ** 48 + 1 })],
  ['epoch-negative', 'An epoch below zero.', sealed({ epoch: -1 })],
  [
    'stream-15-bytes',
    'A stream id of 15 bytes.',
    sealed({ stream: seed('s', 15).toString('base64url') }),
  ],
  [
    'stream-spelling',
    'A stream id with a leftover bit.',
    sealed({ stream: 'AAAAAAAAAAAAAAAAAAAAAB' }),
  ],
  [
    'contract-capitals',
    'A hash in capital letters.',
    {
      payload: (text) =>
        text.replace(/("contract":")([^"]*)/, (_all, name, id) => name + id.toUpperCase()),
    },
  ],
  ['previous-short', 'A hash of 31 bytes.', sealed({ previous: '00'.repeat(31) })],
  ['commitment-31-bytes', 'A commitment of 31 bytes.', sealed({ commitment: 'A'.repeat(42) })],
  [
    'commitment-spelling',
    'A commitment with a leftover bit.',
    sealed({ commitment: `${'A'.repeat(42)}B` }),
  ],
  [
    'time-order',
    'A largest event time below the smallest.',
    sealed({ eventTime: { min: 2, max: 1 } }),
  ],
  ['time-extra', 'A member that no range has.', sealed({ eventTime: { min: 1, max: 2, avg: 1 } })],
  ['time-missing-max', 'A range without end.', sealed({ eventTime: { min: 1 } })],
  [
    'time-large',
    'An event time that no double holds.',
    sealed({ eventTime: { min: 1, max: 2 ** 53 } }),
  ],
  ['time-null', 'No event time in a dataset that has it.', sealed({ eventTime: null })],
  [
    'time-unknown',
    'Event time in a dataset that has none.',
    sealed({ eventTime: { min: 1, max: 2 } }),
    untimed,
  ],
  ['plaintext-0', 'An empty plaintext.', sealed({ plaintextBytes: 0 })],
  ['plaintext-large', 'A plaintext over 16 MiB.', sealed({ plaintextBytes: 16_777_217 })],
  ['segment-four-parts', 'A wrapped secret of four parts.', sealed({ segment: 'AA.AA.AA.AA' })],
  [
    'segment-direct',
    'A wrapped secret without encrypted key.',
    {
      wrapping: { compact: (jwe) => jwe.replace(/\.[^.]*/, '.') },
    },
  ],
  ['segment-null', 'No wrapped secret.', sealed({ segment: null })],
  ['version-text', 'A version written as text.', sealed({ v: '1' })],
];

const VERSIONS: readonly Row[] = [
  ['version-2', 'A version to come.', sealed({ v: 2 })],
  ['version-0', 'A version that never was.', sealed({ v: 0 })],
  [
    'version-2-unknown',
    'A version to come, with members to come.',
    sealed({ v: 2, rows: undefined, x: 1 }),
  ],
];
