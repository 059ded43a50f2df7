import { CLAIMS, claims, craft, ISSUER, NOW_S, type TokenCase } from './token-craft.ts';

const TIMES = ['exp', 'nbf', 'iat'] as const;

/** What a time may not be (RFC 7519 §2: a number of seconds; ours are whole and not negative). */
const NO_TIMES: readonly [name: string, value: unknown][] = [
  ['missing', undefined],
  ['null', null],
  ['a text', String(NOW_S)],
  ['an empty text', ''],
  ['true', true],
  ['a list', [NOW_S]],
  ['an object', { seconds: NOW_S }],
  ['with a fraction', NOW_S + 0.5],
  ['negative', -1],
  ['beyond what a number holds exactly', 2 ** 53],
  ['a date', '2026-03-01T00:00:00Z'],
];

const payload = (text: string): string => craft({ payload: text });
const GOOD = JSON.stringify(CLAIMS).slice(1, -1);

export const TIME_CASES: readonly TokenCase[] = [
  ...TIMES.flatMap((name) =>
    NO_TIMES.map(
      ([what, value]): TokenCase => [`${name} ${what}`, () => claims({ [name]: value }), 'claims'],
    ),
  ),
  ...TIMES.map(
    (name): TokenCase => [
      `${name} beyond every number`,
      () => payload(`{${GOOD.replace(new RegExp(`"${name}":\\d+`), `"${name}":1e999`)}}`),
      'claims',
    ],
  ),
  ['exp in the last second but one', () => at({ exp: -29 }), 'accepted'],
  ['exp thirty seconds ago', () => at({ exp: -30 }), 'expired'],
  ['exp thirty-one seconds ago', () => at({ exp: -31 }), 'expired'],
  ['exp at the end of numbers', () => claims({ exp: Number.MAX_SAFE_INTEGER }), 'accepted'],
  ['exp in milliseconds', () => claims({ exp: (NOW_S + 600) * 1_000 }), 'accepted'],
  ['exp zero', () => claims({ exp: 0 }), 'times'],
  ['nbf in thirty seconds', () => claims({ nbf: NOW_S + 30 }), 'accepted'],
  ['nbf in thirty-one seconds', () => claims({ nbf: NOW_S + 31 }), 'not-before'],
  ['nbf in milliseconds', () => claims({ nbf: NOW_S * 1_000 }), 'times'],
  ['nbf zero', () => claims({ nbf: 0 }), 'accepted'],
  ['iat in thirty seconds', () => claims({ iat: NOW_S + 30 }), 'accepted'],
  ['iat in thirty-one seconds', () => claims({ iat: NOW_S + 31 }), 'issued-at'],
  ['iat in milliseconds', () => claims({ iat: NOW_S * 1_000 }), 'times'],
  ['iat zero', () => claims({ iat: 0 }), 'age'],
  ['iat eight hours and thirty seconds ago', () => claims({ iat: NOW_S - 28_830 }), 'accepted'],
  ['iat eight hours and thirty-one seconds ago', () => claims({ iat: NOW_S - 28_831 }), 'age'],
  ['ending as it begins', () => claims({ nbf: NOW_S, exp: NOW_S }), 'times'],
  ['ending as it is issued', () => claims({ nbf: 0, exp: NOW_S }), 'times'],
  [
    'with times as powers of ten',
    () => payload(`{${GOOD.replaceAll(`${NOW_S}`, `${NOW_S / 10}e1`)}}`),
    'accepted',
  ],
  [
    'with times and nothing behind the point',
    () => payload(`{${GOOD.replaceAll(`${NOW_S}`, `${NOW_S}.0`)}}`),
    'accepted',
  ],
];

/** Ten minutes that end so many seconds from now. */
function at({ exp }: { exp: number }): string {
  return claims({ iat: NOW_S + exp - 600, nbf: NOW_S + exp - 600, exp: NOW_S + exp });
}

/** Whoever is believed is named letter by letter: no URL is ever taken apart or put together. */
const NO_ISSUERS: readonly [name: string, value: unknown][] = [
  ['missing', undefined],
  ['null', null],
  ['empty', ''],
  ['a list of it', [ISSUER]],
  ['an object', { url: ISSUER }],
  ['a number', 1],
  ['with a slash', `${ISSUER}/`],
  ['with two slashes', `${ISSUER}//`],
  ['in capitals', ISSUER.toUpperCase()],
  ['with a capital', ISSUER.replace('a', 'A')],
  ['with the scheme in capitals', ISSUER.replace('https', 'HTTPS')],
  ['without TLS', ISSUER.replace('https', 'http')],
  ['with its port', `${ISSUER}:443`],
  ['with a user', ISSUER.replace('//', '//attest.example@')],
  ['as a user of another', `${ISSUER}@evil.example`],
  ['as a name below another', `${ISSUER}.evil.example`],
  ['as a path of another', 'https://evil.example/attest.example'],
  ['with a path', `${ISSUER}/tenant`],
  ['with a query', `${ISSUER}?x`],
  ['with a fragment', `${ISSUER}#x`],
  ['with a dot behind it', `${ISSUER}.`],
  ['with a space before it', ` ${ISSUER}`],
  ['with a line feed behind it', `${ISSUER}\n`],
  ['with a zero byte behind it', `${ISSUER}\0`],
  ['with a letter of another script', ISSUER.replace('a', '\u0430')],
  ['with wide letters', ISSUER.replace('a', '\uff41')],
  ['with a mark over a letter', ISSUER.replace('e', 'e\u0301')],
  ['with an invisible letter', ISSUER.replace('.', '\u200b.')],
  ['in punycode', 'https://xn--ttest-3ve.example'],
  ['in percent signs', ISSUER.replace('a', '%61')],
  ['backwards for the eye', `\u202e${ISSUER}`],
];

export const CLAIM_CASES: readonly TokenCase[] = [
  ...NO_ISSUERS.map(([name, iss]): TokenCase => [`iss ${name}`, () => claims({ iss }), 'issuer']),
  ...['us', ISSUER, ['us'], [], null, {}, ''].map(
    (aud): TokenCase => [`aud ${JSON.stringify(aud)}`, () => claims({ aud }), 'audience'],
  ),
  ['sub and others', () => claims({ sub: 'worker', azp: 'x', scope: 'y' }), 'accepted'],
  ...[undefined, '', 'j'.repeat(257), 7, null, ['a1']].map(
    (jti): TokenCase => [
      `jti ${JSON.stringify(jti)?.slice(0, 9)}`,
      () => claims({ jti }),
      'claims',
    ],
  ),
  ['a token inside', () => craft({ payload: craft(), header: { cty: 'JWT' } }), 'json'],
  ['a token inside, as a text', () => payload(JSON.stringify(craft())), 'issuer'],
  ['a token as a claim', () => claims({ token: craft() }), 'accepted'],
  ['a list', () => payload(`[{${GOOD}}]`), 'issuer'],
  ['null', () => payload('null'), 'issuer'],
  ['a text', () => payload('"claims"'), 'issuer'],
  ['no JSON', () => payload(`{${GOOD}`), 'json'],
  ['with more behind it', () => payload(`{${GOOD}}}`), 'json'],
  ['with exp twice', () => payload(`{"exp":1,${GOOD}}`), 'repeated-member'],
  ['with iss twice', () => payload(`{${GOOD},"iss":"https://evil.example"}`), 'repeated-member'],
  ['with exp twice, once escaped', () => payload(`{"\\u0065xp":1,${GOOD}}`), 'repeated-member'],
  [
    'with a member twice further in',
    () => payload(`{${GOOD},"a":[{"b":1,"b":1}]}`),
    'repeated-member',
  ],
  ['with its claims behind the prototype', () => payload(`{"__proto__":{${GOOD}}}`), 'issuer'],
  [
    'with its times behind the prototype',
    () => payload(`{"iss":"${ISSUER}","__proto__":{${GOOD}}}`),
    'claims',
  ],
  ['behind the mark of the byte order', () => payload(`\ufeff{${GOOD}}`), 'json'],
  ['in UTF-16', () => craft({ payload: Buffer.from(`{${GOOD}}`, 'utf16le') }), 'json'],
  [
    'with a byte that is no UTF-8',
    () => craft({ payload: Buffer.from(`{${GOOD},"a":"\xff"}`, 'latin1') }),
    'json',
  ],
  ['with a number that is none', () => payload(`{${GOOD},"a":NaN}`), 'json'],
  ['with a number in another base', () => payload(`{${GOOD},"a":0x10}`), 'json'],
  ['with a zero before a number', () => payload(`{${GOOD},"a":010}`), 'json'],
  ['with a letter below a space', () => payload(`{${GOOD},"a":"\u0001"}`), 'json'],
  ['nested without an end', () => payload(`{${GOOD},"a":${'{"a":'.repeat(5_000)}`), 'json'],
  [
    'nested deeply',
    () => payload(`{${GOOD},"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`),
    'accepted',
  ],
];
