import type { SeededRandom } from '@strongroom/testkit/seeded-random';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const ODD_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 2 ** 53, -(2 ** 63), 1e308],
  ...['', 'x', '0', 'null', '\u0000', '\ud800', '../..', '%00', 'é', 'a'.repeat(5_000)],
  ...[[], {}, [[]], [null], { a: { b: { c: 1 } } }, '='.repeat(64)],
];
const ODD_TEXTS = [
  '%',
  '%00',
  '%2e%2e',
  '/',
  '//',
  '..',
  '?',
  '#',
  ';',
  '\\',
  '*',
  'é',
  '%ff',
  ' ',
];
const ODD_NAMES = ['toString', 'constructor', '__proto__', 'hasOwnProperty', 'a'.repeat(300)];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
const TYPES = ['text/plain', 'application/xml', 'application/json; charset=latin1', '', 'a'];

/** None to three bends of a request; most leave it so that it gets far. */
export function mutate(asked: Asked, random: SeededRandom): Asked {
  let bent = asked;
  for (let left = random.pick([0, 1, 1, 1, 1, 2, 3]); left > 0; left -= 1) {
    bent = random.pick([bendBody, bendMember, bendMember, bendPath, bendHeaders])(bent, random);
  }
  return bent;
}

/** Of its bytes, whatever they mean. */
function bendBody(asked: Asked, random: SeededRandom): Asked {
  const body = asked.body ?? '';
  const at = random.below(body.length + 1);
  return {
    ...asked,
    body: random.pick([
      body.slice(0, at),
      body.slice(0, at) + String.fromCharCode(random.below(0x250)) + body.slice(at + 1),
      body.slice(0, at) + random.pick(['{', '}', '"', ',', '\\', '[', '0']) + body.slice(at),
      body + body,
      `${'['.repeat(random.below(60))}${body}`,
      `{"a":"${'b'.repeat(random.below(400_000))}"}`,
      '',
    ]),
  };
}

/** Of one member at any depth: another value, another name, gone, or there twice. */
function bendMember(asked: Asked, random: SeededRandom): Asked {
  let value: unknown;
  try {
    value = JSON.parse(asked.body ?? '');
  } catch {
    return bendPath(asked, random);
  }
  return { ...asked, body: JSON.stringify(bendValue(value, random)) };
}

function bendValue(value: unknown, random: SeededRandom): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) {
    if (typeof value !== 'string' || random.chance(0.5)) return random.pick(ODD_VALUES);
    const at = random.below(value.length + 1);
    return value.slice(0, at) + random.pick(['A', '-', '.', '=', ' ', '']) + value.slice(at + 1);
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? [random.pick(ODD_VALUES)] : [bendValue(value[0], random)];
  }
  const entries = Object.entries(value);
  const at = random.below(entries.length + 1);
  const [name = random.pick(ODD_NAMES), inner] = entries[at] ?? [];
  const changed: [string, unknown][] = random.pick<[string, unknown][]>([
    [[name, bendValue(inner, random)]],
    [[name, bendValue(inner, random)]],
    [[random.pick(ODD_NAMES), inner]],
    [],
    [[name.toUpperCase(), inner]],
  ]);
  return Object.fromEntries(entries.toSpliced(at, 1, ...changed));
}

function bendPath(asked: Asked, random: SeededRandom): Asked {
  const [path = '', query = ''] = asked.path.split('?');
  const parts = path.split('/');
  const at = 1 + random.below(parts.length);
  const odd = random.pick([...ODD_TEXTS, ...ODD_NAMES, 'restore', '0'.repeat(32), 'share']);
  const bent = encodeURI(
    random
      .pick([
        parts.with(Math.min(at, parts.length - 1), odd),
        parts.toSpliced(at, 0, odd),
        parts.toSpliced(at, 1),
        [...parts, ''],
      ])
      .join('/'),
  ).replaceAll('%25', '%');
  const queries = [
    query,
    'api%2Dversion=7.4',
    `api-version=${'9'.repeat(50)}`,
    `maxresults=${random.pick(['-1', '0', '26', 'x', '1e3'])}`,
    `$skiptoken=${random.pick(['zzz', '-5', '1e400', '%00', 'a'.repeat(300)])}`,
    'from=1&from=2',
    'limit=99999999999999999999',
    'api-version=7.4&api-version=7.5',
  ];
  return { ...asked, path: `${bent || '/'}?${random.pick(queries)}` };
}

function bendHeaders(asked: Asked, random: SeededRandom): Asked {
  const { authorization = '', ...others } = asked.headers;
  const at = random.below(authorization.length);
  return random.pick<Asked>([
    { ...asked, headers: others },
    { ...asked, headers: { ...others, authorization: authorization.slice(0, at) } },
    { ...asked, headers: { ...others, authorization: `Basic ${authorization.slice(7)}` } },
    { ...asked, headers: { ...others, authorization: `Bearer ${'e30.'.repeat(2)}${at}` } },
    { ...asked, headers: { ...others, authorization: `Bearer ${'x'.repeat(9_000)}` } },
    { ...asked, headers: { ...asked.headers, 'content-type': random.pick(TYPES) } },
    { ...asked, headers: { ...asked.headers, 'content-encoding': 'gzip' } },
    { ...asked, headers: { ...asked.headers, accept: 'text/html' } },
    { ...asked, method: random.pick(METHODS) },
  ]);
}
