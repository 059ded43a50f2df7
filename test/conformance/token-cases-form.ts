import { CLAIMS, craft, encode, KEYS, SIGNERS, type TokenCase } from './token-craft.ts';

/** One token has one text (RFC 7515 §7.1, §2): every other spelling of it is refused. */

const JWT = craft();
const [HEADER = '', PAYLOAD = '', SIGNATURE = ''] = JWT.split('.');
const EC = craft({ by: 'p256', as: 'ES256' });

/** The last letter of 2 or 3 has bits that stand for nothing: another letter, the same bytes. */
function otherLastLetter(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return `${part.slice(0, -1)}${alphabet[alphabet.indexOf(part.at(-1) ?? '') + 1]}`;
}

/** Claims whose base64url ends in an incomplete group, so that there is another spelling. */
const ragged = () => {
  for (let length = 1; ; length += 1) {
    const text = JSON.stringify({ ...CLAIMS, jti: 'j'.repeat(length) });
    if (text.length % 3 !== 0) return text;
  }
};
const raggedHeader = '{"alg":"RS256","kid":"rsa","typ":"JWT" }';

const general = {
  payload: PAYLOAD,
  signatures: [{ protected: HEADER, signature: SIGNATURE }],
};
const flattened = { protected: HEADER, payload: PAYLOAD, signature: SIGNATURE };

export const FORM_CASES: readonly TokenCase[] = [
  ['as it should be', () => JWT, 'accepted'],
  ['as it should be, of P-256', () => EC, 'accepted'],
  ['as it should be, of P-384', () => craft({ by: 'p384', as: 'ES384' }), 'accepted'],
  ['of no letter', () => '', 'form'],
  ['of two dots', () => '..', 'form'],
  ['of one part', () => HEADER, 'form'],
  ['of two parts', () => `${HEADER}.${PAYLOAD}`, 'form'],
  ['of four parts', () => `${JWT}.AAAA`, 'form'],
  ['of five parts, as a JWE', () => `${JWT}.AAAA.AAAA`, 'form'],
  ['with a dot before it', () => `.${JWT}`, 'form'],
  ['with a dot behind it', () => `${JWT}.`, 'form'],
  ['without a signature', () => `${HEADER}.${PAYLOAD}.`, 'form'],
  ['without a header', () => `.${PAYLOAD}.${SIGNATURE}`, 'json'],
  ['without a payload', () => `${HEADER}..${SIGNATURE}`, 'json'],
  ['with a space before it', () => ` ${JWT}`, 'form'],
  ['with a line feed behind it', () => `${JWT}\n`, 'form'],
  ['with a line feed in its header', () => JWT.replace('.', '\n.'), 'form'],
  ['with a space in its signature', () => `${HEADER}.${PAYLOAD}. ${SIGNATURE}`, 'form'],
  ['with a tab in its payload', () => `${HEADER}.\t${PAYLOAD}.${SIGNATURE}`, 'form'],
  ['with a zero byte behind it', () => `${JWT}\0`, 'form'],
  ['with the mark of the byte order before it', () => `\ufeff${JWT}`, 'form'],
  ['with commas for dots', () => JWT.replaceAll('.', ','), 'form'],
  ['with dots of another script', () => JWT.replaceAll('.', '\uff0e'), 'form'],
  ['with the word of HTTP before it', () => `Bearer ${JWT}`, 'form'],
  ['in quotes', () => JSON.stringify(JWT), 'form'],
  ['in percent signs', () => JWT.replaceAll('.', '%2E'), 'form'],
  ['flattened', () => JSON.stringify(flattened), 'form'],
  ['in the general form', () => JSON.stringify(general), 'form'],
  ['in a list', () => JSON.stringify([JWT]), 'form'],
  ['with padding behind its header', () => `${HEADER}=.${PAYLOAD}.${SIGNATURE}`, 'form'],
  ['with padding behind its payload', () => `${HEADER}.${PAYLOAD}==.${SIGNATURE}`, 'form'],
  ['with padding behind its signature', () => `${JWT}==`, 'form'],
  ['signed with the padding', () => craft({ spelled: (text) => `${text}=` }), 'form'],
  ['signed with a space', () => craft({ spelled: (text) => `${text} ` }), 'form'],
  [
    'signed with another last letter of the payload',
    () => craft({ payload: ragged(), spelled: otherLastLetter }),
    'form',
  ],
  [
    'signed with another last letter of the header',
    () =>
      craft({
        header: raggedHeader,
        spelled: (text) => text.replace('Q.', 'R.'),
      }),
    'form',
  ],
  ['with another last letter of the signature', () => otherLastLetter(JWT), 'form'],
  ['of one letter too many for its bytes', () => `${HEADER}.${PAYLOAD}.${SIGNATURE}AAA`, 'form'],
  [
    'in the other alphabet of base64',
    () => craft({ payload: { ...CLAIMS, jti: '~~~???' }, spelled: toBase64 }),
    'form',
  ],
  ['larger than any token', () => `${JWT}${'A'.repeat(65_536)}`, 'size'],
  ['of white space only', () => ' '.repeat(1_000), 'form'],
  ['of dots only', () => '.'.repeat(65_536), 'form'],
];

function toBase64(text: string): string {
  return text.replaceAll('-', '+').replaceAll('_', '/');
}

const last = (jwt: string) => Buffer.from(jwt.slice(jwt.lastIndexOf('.') + 1), 'base64url');
/** The same signed part with a signature made from the right one. */
function signedAs(jwt: string, change: (signature: Buffer) => Uint8Array): () => string {
  return () => `${jwt.slice(0, jwt.lastIndexOf('.'))}.${encode(change(last(jwt)))}`;
}
const half = (jwt: string) => last(jwt).length / 2;
const zeros = (bytes: number) => new Uint8Array(bytes);
const flip = (at: number) => (signature: Buffer) =>
  signature.map((byte, index) => (index === at ? byte ^ 1 : byte));
const ORDER = Buffer.from(
  'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  'hex',
);
const signedPart = (jwt: string) => Buffer.from(jwt.slice(0, jwt.lastIndexOf('.')));

/** A signature beside the one that was made. */
export const SIGNATURE_CASES: readonly TokenCase[] = [
  ['of RSA, first bit', signedAs(JWT, flip(0)), 'signature'],
  ['of RSA, last bit', signedAs(JWT, flip(255)), 'signature'],
  ['of RSA, all zero', signedAs(JWT, () => zeros(256)), 'signature'],
  ['of RSA, all ones', signedAs(JWT, () => zeros(256).fill(255)), 'signature'],
  [
    'of RSA, the number 1',
    signedAs(JWT, () => Buffer.concat([zeros(255), Uint8Array.of(1)])),
    'signature',
  ],
  ['of RSA, a zero longer', signedAs(JWT, (all) => Buffer.concat([zeros(1), all])), 'signature'],
  ['of RSA, a byte shorter', signedAs(JWT, (all) => all.subarray(1)), 'signature'],
  ['of RSA, one byte', signedAs(JWT, () => zeros(1)), 'signature'],
  [
    'of RSA, of the payload alone',
    signedAs(JWT, () => SIGNERS.RS256(Buffer.from(PAYLOAD), KEYS.rsa.privateKey)),
    'signature',
  ],
  [
    'of RSA, of the decoded claims',
    signedAs(JWT, () => SIGNERS.RS256(Buffer.from(PAYLOAD, 'base64url'), KEYS.rsa.privateKey)),
    'signature',
  ],
  [
    'of RSA, with the hash of RS512',
    signedAs(JWT, () => SIGNERS.RS512(signedPart(JWT), KEYS.rsa.privateKey)),
    'signature',
  ],
  [
    'of RSA, with the padding of PS256',
    signedAs(JWT, () => SIGNERS.PS256(signedPart(JWT), KEYS.rsa.privateKey)),
    'signature',
  ],
  [
    'of RSA, that of another token',
    signedAs(JWT, () => last(craft({ payload: { ...CLAIMS, jti: 'b' } }))),
    'signature',
  ],
  [
    'of P-256, in DER',
    signedAs(EC, () => SIGNERS.DER(signedPart(EC), KEYS.p256.privateKey)),
    'signature',
  ],
  ['of P-256, all zero', signedAs(EC, () => zeros(64)), 'signature'],
  [
    'of P-256, r = 0',
    signedAs(EC, (all) => Buffer.concat([zeros(half(EC)), all.subarray(half(EC))])),
    'signature',
  ],
  [
    'of P-256, s = 0',
    signedAs(EC, (all) => Buffer.concat([all.subarray(0, half(EC)), zeros(half(EC))])),
    'signature',
  ],
  ['of P-256, r = s = n', signedAs(EC, () => Buffer.concat([ORDER, ORDER])), 'signature'],
  [
    'of P-256, r and s exchanged',
    signedAs(EC, (all) => Buffer.concat([all.subarray(32), all.subarray(0, 32)])),
    'signature',
  ],
  ['of P-256, a zero longer', signedAs(EC, (all) => Buffer.concat([all, zeros(1)])), 'signature'],
  [
    'of P-256, halves of 48 bytes',
    signedAs(EC, (all) =>
      Buffer.concat([zeros(16), all.subarray(0, 32), zeros(16), all.subarray(32)]),
    ),
    'signature',
  ],
  ['of P-256, a byte shorter', signedAs(EC, (all) => all.subarray(0, 63)), 'signature'],
  ['of P-256, first bit', signedAs(EC, flip(0)), 'signature'],
];
