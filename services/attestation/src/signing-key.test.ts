import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCertificate, publicKeyOf } from '@strongroom/attestation/x509/certificate';
import { codeOf } from '@strongroom/protocol/errors';
import { beforeEach, describe, expect, test } from 'vitest';
import { openTokenSigner } from './signing-key.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
let folder: string;
let now: number;
const clock = { now: () => now, monotonic: () => 0 };
const open = () => openTokenSigner(folder, clock);
const fileOf = async () => JSON.parse(await readFile(join(folder, FILE), 'utf8'));
const FILE = 'token-signing-keys.json';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-signing-'));
  now = Date.parse('2026-03-01T00:00:00Z');
  return () => rm(folder, { recursive: true, force: true });
});

describe('the key that signs tokens', () => {
  test('is named by the rule of Azure, and stays over a restart with its certificate', async () => {
    const signer = await open();
    expect(signer.kid).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    expect(signer.publicJwk).toMatchObject({ kid: signer.kid, kty: 'RSA', alg: 'RS256' });
    expect((await stat(join(folder, FILE))).mode & 0o777).toBe(0o600);
    now += HOUR;
    const again = await open();
    expect(again.published()).toEqual(signer.published());
    expect(again.published()).toEqual([signer.publicJwk]);
    expect(JSON.stringify(signer.publicJwk)).not.toContain('PRIVATE');
  });

  test('is published 15 minutes before it signs, and until its last token expires', async () => {
    const signer = await open();
    const first = signer.kid;
    const { kid: second, signsFrom } = await signer.rotate();
    expect(signsFrom).toBe(now + 15 * MINUTE);
    const kids = () => signer.published().map(({ kid }) => kid);
    expect([signer.kid, kids()]).toEqual([first, [first, second]]);
    now = signsFrom - 1;
    expect(signer.kid).toBe(first);
    now = signsFrom;
    expect([signer.kid, kids()]).toEqual([second, [first, second]]);
    expect(signer.publicJwk).toMatchObject({ kid: second });
    now = signsFrom + 8 * HOUR + 30_000;
    expect(kids()).toEqual([first, second]);
    now += 1;
    expect([signer.kid, kids()]).toEqual([second, [second]]);
  });

  test('has its private half erased once it has signed its last token', async () => {
    const signer = await open();
    const { kid, signsFrom } = await signer.rotate();
    now = signsFrom - 1;
    expect((await open()).kid).not.toBe(kid);
    expect(
      (await fileOf()).keys.map(({ privateKey }: { privateKey: unknown }) => privateKey),
    ).toEqual([expect.stringContaining('PRIVATE KEY'), expect.stringContaining('PRIVATE KEY')]);
    now = signsFrom;
    const later = await open();
    expect([later.kid, later.published()]).toEqual([kid, signer.published()]);
    const { keys } = await fileOf();
    expect(keys[0].privateKey).toBeNull();
    now += 9 * HOUR;
    expect((await open()).published()).toHaveLength(1);
    expect((await fileOf()).keys).toHaveLength(1);
  });

  test('is made once by rotations that begin together, and not while one waits', async () => {
    const signer = await open();
    const [left, right] = await Promise.all([signer.rotate(), signer.rotate()]);
    expect(left).toEqual(right);
    expect(signer.published()).toHaveLength(2);
    now = left.signsFrom;
    expect((await signer.rotate()).kid).not.toBe(left.kid);
    expect(signer.published()).toHaveLength(3);
  });

  test('signs on when the clock was set back', async () => {
    const signer = await open();
    now -= HOUR;
    expect(signer.published()).toHaveLength(1);
    expect(signer.privateKey.type).toBe('private');
  });

  test('is taken over from where it lay before, which is not left behind', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const before = join(folder, 'token-signing-key.pem');
    await writeFile(before, privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const signer = await open();
    expect(createPrivateKey(signer.privateKey.export({ format: 'pem', type: 'pkcs8' }))).toEqual(
      privateKey,
    );
    const [x5c] = [signer.publicJwk['x5c']].flat();
    const der = new Uint8Array(Buffer.from(String(x5c), 'base64'));
    expect(publicKeyOf(parseCertificate(der)).equals(publicKey)).toBe(true);
    expect(existsSync(before)).toBe(false);
  });

  test.each([
    ['no JSON', () => 'x'],
    ['no key', () => '{"v":1,"keys":[]}'],
    ['another version', (text: string) => text.replace('"v":1', '"v":2')],
    [
      'no private half of the present key',
      (text: string) => text.replace(/"-----.*-----.n"/, 'null'),
    ],
    ['a private half that is none', (text: string) => text.replace('PRIVATE', 'PUBLIC')],
    [
      'another certificate',
      (text: string) => text.replace(/"certificate":"[^"]+"/, '"certificate":"AAAA"'),
    ],
  ])('is not made anew over a file with %s', async (_name, change) => {
    await open();
    const text = await readFile(join(folder, FILE), 'utf8');
    await writeFile(join(folder, FILE), change(text));
    const opened = open().then((signer) => signer.kid);
    await expect(opened.catch(codeOf)).resolves.toBe('ERR_CONFIG_INVALID');
  });
});
