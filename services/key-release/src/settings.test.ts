import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '@strongroom/protocol/errors';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sha256 } from './access/access.ts';
import { parseAccessFile, parseTokenFile } from './access/access-file.ts';
import { readMasterKey } from './master-key/master-key.ts';
import { jwksUrlsOf, parseAuthorities } from './requester/authorities.ts';
import { readSettings } from './settings.ts';

const FILES = ['authorities', 'access-token-file', 'admin-token-file', 'master-key-file'];
const complete = [
  ...['start', '--owner', 'west', '--data', '/tmp/west'],
  ...FILES.flatMap((name) => [`--${name}`, name]),
];
const codeOfThrown = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
};

describe('readSettings', () => {
  test('reads every option, and listens on this machine only unless told otherwise', () => {
    expect(readSettings(complete, false)).toEqual({
      ...{ owner: 'west', host: '127.0.0.1', port: 8470, data: '/tmp/west', logLevel: 'info' },
      ...{ authorities: 'authorities', accessTokenFile: 'access-token-file' },
      ...{ adminTokenFile: 'admin-token-file', masterKeyFile: 'master-key-file' },
    });
    const more = [...complete, '--public-url', 'https://keys.west.example', '--port', '0'];
    expect(readSettings(more, false)).toMatchObject({
      publicUrl: 'https://keys.west.example',
      port: 0,
    });
  });

  test.each([
    ['another verb', ['stop']],
    ['an unknown option', [...complete, '--fast']],
    ['an owner that is no party id', complete.with(2, 'West Wing')],
    ['a port that is none', [...complete, '--port', '65536']],
    ['a level that is none', [...complete, '--log-level', 'loud']],
    ['a certificate without its key', [...complete, '--tls-cert', 'cert.pem']],
    ['a URL with a slash at the end', [...complete, '--public-url', 'https://keys.example/']],
    ['lists of a mirror without --crl', [...complete, '--kds', 'https://kds.example']],
    ['lists that are neither optional nor required', [...complete, '--crl', 'always']],
    ['roots for hardware, which are in the code', [...complete, '--roots', 'roots.json']],
    ['two master keys', [...complete, '--master-key', 'key.json']],
    ['no callers', complete.filter((word) => !word.endsWith('token-file'))],
    ...complete.flatMap((word, index): [string, string[]][] =>
      word.startsWith('--') ? [[`no ${word}`, complete.toSpliced(index, 2)]] : [],
    ),
  ])('refuses %s', (_name, args) => {
    expect(codeOfThrown(() => readSettings(args, false))).toBe('ERR_USAGE');
  });
});

test('roots of a simulated platform are named where one is believed, and there only', () => {
  expect(codeOfThrown(() => readSettings(complete, true))).toBe('ERR_USAGE');
  const named = [...complete, '--roots', 'roots.json'];
  expect(readSettings(named, true)).toMatchObject({ roots: 'roots.json' });
});

describe('files', () => {
  const key = { kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' };
  const authority = { issuer: 'https://attest.example', keys: [key] };

  test('an authority is for hardware unless its file says otherwise', () => {
    const [first, second] = parseAuthorities(
      JSON.stringify([
        authority,
        { ...authority, issuer: 'https://b.example', platform: 'simulated' },
      ]),
    );
    expect([first?.platform, second?.platform]).toEqual(['amd', 'simulated']);
  });

  test('an authority may publish its keys at one pinned place', () => {
    const jwks = 'https://a.example/certs';
    const [first] = parseAuthorities(JSON.stringify([{ issuer: authority.issuer, jwks }]));
    expect(jwksUrlsOf(first ? [first] : [])).toEqual({ [authority.issuer]: jwks });
  });

  test.each([
    ['no JSON', '{'],
    ['an object', JSON.stringify(authority)],
    ['an empty list', '[]'],
    ['no keys', JSON.stringify([{ ...authority, keys: [] }])],
    ['a private key', JSON.stringify([{ ...authority, keys: [{ ...key, d: 'x' }] }])],
    [
      'keys and a place to fetch them',
      JSON.stringify([{ ...authority, jwks: 'https://a.example/c' }]),
    ],
    [
      'keys over plain HTTP',
      JSON.stringify([{ issuer: authority.issuer, jwks: 'http://a.example/c' }]),
    ],
    ['another platform', JSON.stringify([{ ...authority, platform: 'any' }])],
    ['one issuer twice', JSON.stringify([authority, { ...authority, platform: 'simulated' }])],
  ])('refuses authorities that are %s', (_name, text) => {
    expect(codeOfThrown(() => parseAuthorities(text))).toBe('ERR_CONFIG_INVALID');
  });

  test('tokens come one a line, and a short one is refused', () => {
    const tokens = ['a'.repeat(22), 'b'.repeat(43)];
    const rules = parseTokenFile(` ${tokens.join('\r\n')}\n\n`, 'x', 'audit');
    expect(rules).toMatchObject([
      { name: 'x-1', rights: ['audit'], tokenSha256: sha256('a'.repeat(22)) },
      { name: 'x-2', rights: ['audit'], tokenSha256: sha256('b'.repeat(43)) },
    ]);
    for (const text of ['', '\n', 'a'.repeat(21), `${tokens[0]}\nshort`, 'with space '.repeat(9)]) {
      expect(codeOfThrown(() => parseTokenFile(text, 'x', 'release'))).toBe('ERR_CONFIG_INVALID');
    }
  });
});

describe('the access file', () => {
  const digest = 'a'.repeat(64);
  const issuer = 'https://login.example';
  const keys = [{ kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' }];
  const caller = { name: 'worker', rights: ['release'], tokenSha256: digest };
  const known = { ...caller, tokenSha256: undefined };
  const oidc = { issuer, subject: 'worker' };

  test('names callers by token, identity provider and certificate, and has a default rate', () => {
    const callers = [
      caller,
      { ...known, name: 'b', oidc: { ...oidc, claims: { role: 'x' } } },
      { ...known, name: 'c', certificate: { spkiSha256: digest } },
      { ...known, name: 'd', certificate: { subject: { CN: 'worker' } } },
    ];
    const issuers = [{ issuer, audience: 'vault', jwks: 'https://login.example/keys' }];
    const file = { issuers, callers, certificateAuthorities: 'PEM' };
    expect(parseAccessFile(JSON.stringify(file))).toEqual({
      ...JSON.parse(JSON.stringify(file)),
      rate: { requestsPerSecond: 200, burst: 2_000 },
    });
  });

  test.each<[string, unknown]>([
    ['a list', [caller]],
    ['nobody', { callers: [] }],
    ['an unknown member', { callers: [caller], more: 1 }],
    ['an unknown right', { callers: [{ ...caller, rights: ['read-private'] }] }],
    ['no right', { callers: [{ ...caller, rights: [] }] }],
    ['nothing to be known by', { callers: [known] }],
    ['two ways to be known', { callers: [{ ...caller, certificate: { spkiSha256: digest } }] }],
    ['a token instead of its digest', { callers: [{ ...caller, tokenSha256: 'secret' }] }],
    ['one name twice', { callers: [caller, caller] }],
    ['an issuer that is not listed', { callers: [{ ...known, oidc }] }],
    ['a subject without an authority', { callers: [{ ...known, certificate: { subject: {} } }] }],
    ['an issuer without keys', { callers: [caller], issuers: [{ issuer, audience: 'x' }] }],
    ['an issuer without audience', { callers: [caller], issuers: [{ issuer, keys }] }],
    ['an endless rate', { callers: [caller], rate: { requestsPerSecond: 0, burst: 1 } }],
  ])('refuses %s', (_name, file) => {
    expect(codeOfThrown(() => parseAccessFile(JSON.stringify(file)))).toBe('ERR_CONFIG_INVALID');
  });

  test('refuses what is no JSON', () => {
    expect(codeOfThrown(() => parseAccessFile('{'))).toBe('ERR_CONFIG_INVALID');
  });
});

describe('readMasterKey', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'master-key-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const read = async (text: string, mode: number) => {
    const path = join(folder, 'key');
    await writeFile(path, text);
    await chmod(path, mode);
    return readMasterKey(path).catch(codeOf);
  };

  test('takes 32 bytes from a file of its owner, and nothing else', async () => {
    const bytes = Buffer.alloc(32, 7);
    const text = bytes.toString('base64url');
    expect(await read(`${text}\n`, 0o600)).toEqual(new Uint8Array(bytes));
    expect(await read(text, 0o400)).toEqual(new Uint8Array(bytes));
    for (const mode of [0o640, 0o604, 0o610, 0o644]) {
      expect(await read(text, mode)).toBe('ERR_CONFIG_INVALID');
    }
    for (const wrong of ['', text.slice(1), `${text}A`, `${text}=`, bytes.toString('hex')]) {
      expect(await read(wrong, 0o600)).toBe('ERR_CONFIG_INVALID');
    }
    expect(await readMasterKey(join(folder, 'none')).catch(codeOf)).toBe('ERR_FILE_UNREADABLE');
  });
});
