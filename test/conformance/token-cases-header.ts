import {
  CLAIMS,
  craft,
  encode,
  ISSUER,
  KEYS,
  macWith,
  publicJwk,
  type TokenCase,
} from './token-craft.ts';

/** The header chooses nothing: not the algorithm, not the key, not how the rest is read. */

const unsigned = (header: string | object): string =>
  `${encode(header)}.${encode(CLAIMS)}.${encode('none')}`;
const RSA = KEYS.rsa.publicKey;
const pem = String(RSA.export({ format: 'pem', type: 'spki' }));
const pkcs1 = String(RSA.export({ format: 'pem', type: 'pkcs1' }));
const der = RSA.export({ format: 'der', type: 'spki' });
const modulus = Buffer.from(RSA.export({ format: 'jwk' }).n ?? '', 'base64url');

export const ALGORITHM_CASES: readonly TokenCase[] = [
  ...['none', 'None', 'NONE', 'nOnE', ' none', '', 'null', 'rs256', 'RS256 ', 'RS256\0', 'RS1'].map(
    (alg): TokenCase => [
      `called ${JSON.stringify(alg)}`,
      () => unsigned({ alg, kid: 'rsa' }),
      'algorithm',
    ],
  ),
  ...['RSA-OAEP-256', 'dir', 'A256GCM', 'HS256', 'EdDSA', 'ES256K', 'ML-DSA-65', 'constructor'].map(
    (alg): TokenCase => [`of another use: ${alg}`, () => craft({ header: { alg } }), 'algorithm'],
  ),
  ['that is missing', () => unsigned({ kid: 'rsa' }), 'header'],
  ['that is null', () => unsigned({ alg: null, kid: 'rsa' }), 'header'],
  ['that is a number', () => unsigned({ alg: 256, kid: 'rsa' }), 'header'],
  ['that is a list', () => unsigned({ alg: ['RS256'], kid: 'rsa' }), 'header'],
  ['that is an object', () => unsigned({ alg: { name: 'RS256' }, kid: 'rsa' }), 'header'],
  ['HS256 under the PEM of the public key', () => macWith(pem, 'HS256'), 'algorithm'],
  ['HS256 under that PEM without its end', () => macWith(pem.trimEnd(), 'HS256'), 'algorithm'],
  ['HS256 under the older PEM', () => macWith(pkcs1, 'HS256'), 'algorithm'],
  ['HS384 under the DER of the public key', () => macWith(der, 'HS384'), 'algorithm'],
  ['HS512 under the modulus', () => macWith(modulus, 'HS512'), 'algorithm'],
  ['HS256 under the JWK', () => macWith(JSON.stringify(publicJwk(KEYS.rsa)), 'HS256'), 'algorithm'],
  ['HS256 under nothing', () => macWith('', 'HS256'), 'algorithm'],
  ["RS384, by the authority's own key", () => craft({ as: 'RS384' }), 'algorithm'],
  ["RS512, by the authority's own key", () => craft({ as: 'RS512' }), 'algorithm'],
  ["PS256, by the authority's own key", () => craft({ as: 'PS256' }), 'algorithm'],
  ["PS384, by the authority's own key", () => craft({ as: 'PS384' }), 'algorithm'],
  ["PS512, by the authority's own key", () => craft({ as: 'PS512' }), 'algorithm'],
  ['PS256 called RS256', () => craft({ as: 'PS256', header: { alg: 'RS256' } }), 'signature'],
  ['RS384 called RS256', () => craft({ as: 'RS384', header: { alg: 'RS256' } }), 'signature'],
  ['ES256 by P-384', () => craft({ by: 'p384', as: 'ES256' }), 'algorithm'],
  ['ES384 by P-256', () => craft({ by: 'p256', as: 'ES384' }), 'algorithm'],
  [
    'ES256 by P-384 called ES384',
    () => craft({ by: 'p384', as: 'ES256', header: { alg: 'ES384' } }),
    'signature',
  ],
  ['ES512 by P-256', () => craft({ by: 'p256', as: 'ES512' }), 'algorithm'],
  [
    'ES512 by P-521',
    () => craft({ by: 'p521', as: 'ES512', header: { kid: 'p256' } }),
    'algorithm',
  ],
  [
    'ES256 by secp256k1',
    () => craft({ by: 'k256', as: 'ES256', header: { kid: 'p256' } }),
    'signature',
  ],
  ['EdDSA', () => craft({ by: 'ed25519', as: 'EdDSA', header: { kid: 'rsa' } }), 'algorithm'],
  [
    'RS256 by the key of the curve',
    () => craft({ by: 'rsa', header: { kid: 'p256' } }),
    'algorithm',
  ],
];

const foreign = { ...publicJwk(KEYS.otherRsa) };
const by = (header: object): string => craft({ by: 'otherRsa', header });
const spki = KEYS.otherRsa.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');

/** Keys, or where they lie, that a token brings itself. */
export const KEY_CASES: readonly TokenCase[] = [
  ['jwk', () => by({ kid: 'rsa', jwk: foreign }), 'signature'],
  ['jwk under a name of its own', () => by({ jwk: foreign }), 'key-id'],
  ['jku', () => by({ kid: 'rsa', jku: 'https://evil.example/certs' }), 'signature'],
  ['jku below the issuer', () => by({ kid: 'rsa', jku: `${ISSUER}/../evil` }), 'signature'],
  [
    'jku as data',
    () => by({ kid: 'rsa', jku: `data:,${JSON.stringify({ keys: [foreign] })}` }),
    'signature',
  ],
  ['x5u', () => by({ kid: 'rsa', x5u: 'https://evil.example/cert.pem' }), 'signature'],
  ['x5c', () => by({ kid: 'rsa', x5c: [spki] }), 'signature'],
  ['x5t', () => by({ kid: 'rsa', x5t: 'AAAA', 'x5t#S256': 'AAAA' }), 'signature'],
  [
    'all of them',
    () => by({ kid: 'rsa', jwk: foreign, jku: 'x', x5u: 'x', x5c: ['x'] }),
    'signature',
  ],
  [
    'all of them, beside a right signature',
    () => craft({ header: { jwk: foreign, jku: 'x', x5u: 'x', x5c: ['x'] } }),
    'accepted',
  ],
  ['a key of 1024 bits', () => craft({ by: 'shortRsa', header: { kid: 'rsa' } }), 'signature'],
  [
    'another key of the curve',
    () => craft({ by: 'otherP256', as: 'ES256', header: { kid: 'p256' } }),
    'signature',
  ],
  ...[
    '',
    'RSA',
    'rsa ',
    '../rsa',
    '/dev/null',
    "' OR '1'='1",
    'rsa\0',
    'rsa\u0000x',
    '__proto__',
    'constructor',
    '0',
    'r\u0455a',
    'https://evil.example/k',
  ].map(
    (kid): TokenCase => [`kid ${JSON.stringify(kid)}`, () => craft({ header: { kid } }), 'key-id'],
  ),
  ['kid of nobody', () => craft({ header: { kid: undefined } }), 'key-id'],
  ...[null, 7, true, ['rsa'], { rsa: 1 }].map(
    (kid): TokenCase => [`kid ${JSON.stringify(kid)}`, () => craft({ header: { kid } }), 'header'],
  ),
];

const raw = (header: string | Uint8Array): string => craft({ header });
const latin = (text: string) => Buffer.from(text, 'latin1');
const GOOD = '"alg":"RS256","kid":"rsa"';

/** How the rest is to be read, and headers that are no JSON object in UTF-8. */
export const HEADER_CASES: readonly TokenCase[] = [
  ['crit of a claim', () => craft({ header: { crit: ['exp'], exp: 1 } }), 'critical-header'],
  ['crit of nothing', () => craft({ header: { crit: [] } }), 'critical-header'],
  ['crit null', () => craft({ header: { crit: null } }), 'critical-header'],
  ['crit as a text', () => craft({ header: { crit: 'exp' } }), 'critical-header'],
  ['crit of b64', () => craft({ header: { crit: ['b64'], b64: false } }), 'critical-header'],
  ['b64 false', () => craft({ header: { b64: false } }), 'critical-header'],
  ['b64 true', () => craft({ header: { b64: true } }), 'critical-header'],
  ['typ in small letters', () => craft({ header: { typ: 'jwt' } }), 'header'],
  ['typ of an access token', () => craft({ header: { typ: 'at+jwt' } }), 'header'],
  ['typ of a sealed batch', () => craft({ header: { typ: 'strongroom-batch+jws' } }), 'header'],
  ['typ with its media type', () => craft({ header: { typ: 'application/jwt' } }), 'header'],
  ['typ null', () => craft({ header: { typ: null } }), 'header'],
  ['typ as a list', () => craft({ header: { typ: ['JWT'] } }), 'header'],
  ['no typ', () => craft({ header: { typ: undefined } }), 'accepted'],
  ['zip, which a JWS does not know', () => craft({ header: { zip: 'DEF' } }), 'accepted'],
  ['a member of nobody', () => craft({ header: { 'x-ms-more': [1, { a: 2 }] } }), 'accepted'],
  ['a list', () => raw(`[{${GOOD}}]`), 'header'],
  ['a text', () => raw('"RS256"'), 'header'],
  ['null', () => raw('null'), 'header'],
  ['a number', () => raw('256'), 'header'],
  ['no JSON', () => raw(`{${GOOD}`), 'json'],
  ['with a comma too many', () => raw(`{${GOOD},}`), 'json'],
  ['with a comment', () => raw(`{${GOOD}/**/}`), 'json'],
  ['in single quotes', () => raw(`{${GOOD.replaceAll('"', "'")}}`), 'json'],
  ['with more behind it', () => raw(`{${GOOD}}{}`), 'json'],
  ['with a zero byte behind it', () => raw(`{${GOOD}}\0`), 'json'],
  ['with white space around it', () => raw(` \n{${GOOD}}\t `), 'accepted'],
  ['behind the mark of the byte order', () => raw(`\ufeff{${GOOD}}`), 'json'],
  ['in UTF-16', () => raw(Buffer.from(`{${GOOD}}`, 'utf16le')), 'json'],
  ['with a byte that is no UTF-8', () => raw(latin(`{${GOOD},"a":"\xff"}`)), 'json'],
  ['with a letter in two bytes too many', () => raw(latin(`{${GOOD},"a":"\xc1\xa1"}`)), 'json'],
  ['with half a pair in UTF-8', () => raw(latin(`{${GOOD},"a":"\xed\xa0\x80"}`)), 'json'],
  ['with alg twice', () => raw(`{"alg":"none",${GOOD}}`), 'repeated-member'],
  ['with kid twice, once escaped', () => raw(`{"\\u006bid":"p256",${GOOD}}`), 'repeated-member'],
  ['with a member twice further in', () => raw(`{${GOOD},"jwk":{"n":1,"n":2}}`), 'repeated-member'],
  [
    'with alg behind its prototype',
    () => raw('{"__proto__":{"alg":"RS256","kid":"rsa"}}'),
    'header',
  ],
  ['nested without an end', () => raw(`{${GOOD},"a":${'['.repeat(20_000)}`), 'json'],
  [
    'nested deeply',
    () => raw(`{${GOOD},"a":${'['.repeat(9_000)}${']'.repeat(9_000)}}`),
    'accepted',
  ],
];
