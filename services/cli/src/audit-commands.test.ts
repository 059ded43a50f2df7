import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AUDIT_HEAD_JWS_TYPE } from '@strongroom/protocol/audit';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { readAuditLog, verifyReceipt } from '@strongroom/sealing/audit';
import { merkleRoot } from '@strongroom/sealing/merkle';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside } from '../test/run-strongroom.ts';
import { exportLines } from './audit-copy.ts';

/** An owner's log in a file, in the hands of somebody who can write files and cannot sign. */

const COUNT = 40;
const text = (value: object) => new TextDecoder().decode(canonicalBytes(value));
const entryOf = (sequence: number, key = `key-${sequence}`) =>
  text({ sequence, at: 1_700_000_000_000 + sequence, event: 'key-released', key });
const entries = Array.from({ length: COUNT }, (_, index) => entryOf(index));

let folder: string;
let privateKey: KeyObject;
let jwk: object;
let heads: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-audit-'));
  const pair = generateKeyPairSync('rsa', { modulusLength: 3_072 });
  privateKey = pair.privateKey;
  const { kty, n, e } = pair.publicKey.export({ format: 'jwk' });
  jwk = { kty, n, e };
  await file('release-key', JSON.stringify(jwk));
  // A head for every fourth entry, and one for the last.
  heads = [4, 8, 12, 16, 20, 24, 28, 32, 36, COUNT].map((size) => headOf(entries, size));
});
afterAll(() => rm(folder, { recursive: true }));

function headOf(list: readonly string[], size: number, owner = 'west'): string {
  const root = Buffer.from(merkleRoot(size, readAuditLog(list).nodeAt)).toString('hex');
  const part = (value: object) => Buffer.from(canonicalBytes(value)).toString('base64url');
  const header = { alg: 'RS256', kid: owner, typ: AUDIT_HEAD_JWS_TYPE };
  const input = `${part(header)}.${part({ v: 1, owner, size, root, at: 1_700_000_000_000 })}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

async function file(name: string, content: string): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

const save = (name: string, list: readonly string[], signed: readonly string[] = heads) =>
  file(name, exportLines({ owner: 'west', entries: list, heads: signed }));
const verify = (path: string, ...more: string[]) =>
  inside('audit', 'verify', path, '--release-key', join(folder, 'release-key'), ...more);

describe('audit verify', () => {
  test('a whole log is whole', async () => {
    const { exitCode, data } = await verify(await save('whole', entries));
    expect({ exitCode, data }).toMatchObject({
      exitCode: 0,
      data: { owner: 'west', entries: COUNT, receipts: 0 },
    });
  });

  test('each entry that was rewritten, left out or cut off is found, and where', async () => {
    for (let at = 0; at < COUNT; at += 3) {
      const rewritten = entries.with(at, entryOf(at, 'forged'));
      const without = entries.toSpliced(at, 1).map((entry, index) => {
        return entry.replace(/"sequence":\d+/, `"sequence":${index}`);
      });
      for (const [name, list] of [
        ['rewritten', rewritten],
        ['without', without],
        ['cut', entries.slice(0, at)],
      ] as const) {
        const { exitCode, code, facts } = await verify(await save(name, list));
        expect([exitCode, code]).toEqual([77, 'ERR_AUDIT_BROKEN']);
        expect(facts.sequence).toBeLessThanOrEqual(at);
        expect(facts.before).toBeGreaterThan(at);
      }
    }
  });

  test('the very entry is named where an earlier copy is at hand', async () => {
    const before = await save('before', entries.slice(0, 36), heads.slice(0, -1));
    const since = ['--since', before];
    expect((await verify(await save('whole', entries), ...since)).exitCode).toBe(0);
    for (const at of [0, 5, 17, 35]) {
      const changed = await save('changed', entries.with(at, entryOf(at, 'forged')));
      const { facts } = await verify(changed, ...since);
      expect(facts).toMatchObject({ sequence: at, before: at + 1 });
    }
  });

  test('a second history, signed by the service too, is told by what others kept', async () => {
    const forked = entries.with(3, entryOf(3, 'hidden'));
    const path = await save('forked', forked, [headOf(forked, COUNT)]);
    expect((await verify(path)).exitCode).toBe(0);
    const kept = await file('kept', `${heads[4]}\n`);
    expect(await verify(path, '--since', kept)).toMatchObject({ code: 'ERR_AUDIT_BROKEN' });
    const { data: receipt } = await inside(
      'audit',
      'prove',
      await save('whole', entries),
      '--entry',
      '3',
    );
    const receipts = await file('receipts', `${JSON.stringify(receipt)}\n`);
    const { code, facts } = await verify(path, '--receipts', receipts);
    expect([code, facts.sequence, facts.before]).toEqual(['ERR_AUDIT_BROKEN', 3, 4]);
  });

  test('heads that were left out prove nothing, and neither do those of others', async () => {
    expect(await verify(await save('bare', entries, []))).toMatchObject({
      code: 'ERR_AUDIT_BROKEN',
      facts: { sequence: 0, check: 'unsigned' },
    });
    expect(await verify(await save('tail', entries, heads.slice(0, -1)))).toMatchObject({
      code: 'ERR_AUDIT_BROKEN',
      facts: { sequence: 36, check: 'unsigned' },
    });
    const foreign = await save('foreign', entries, [headOf(entries, COUNT, 'east')]);
    expect((await verify(foreign)).code).toBe('ERR_AUDIT_HEAD_INVALID');
  });

  test.each([
    ['', 'ERR_AUDIT_BROKEN'],
    ['{"audit":"other"}', 'ERR_AUDIT_BROKEN'],
    ['{"audit":"strongroom/audit-export/v1","owner":"west"}\nnot json\n', 'ERR_AUDIT_BROKEN'],
  ])('a file that is no export is refused: %j', async (content, code) => {
    expect((await verify(await file('bad', content))).code).toBe(code);
  });

  test('needs a key to believe, and only one', async () => {
    const path = await save('whole', entries);
    expect(await inside('audit', 'verify', path)).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
    expect((await verify(path, '--contract', 'x')).code).toBe('ERR_USAGE');
  });
});

describe('audit prove', () => {
  test('gives receipts and consistency proofs that anybody can check', async () => {
    const path = await save('whole', entries);
    const { data } = await inside('audit', 'prove', path, '--entry', '17');
    const author = { owner: 'west', releaseKey: jwk as never };
    expect((await verifyReceipt(data, author)).entry['key']).toBe('key-17');
    const growth = await inside('audit', 'prove', path, '--since', '12');
    expect(growth.data).toMatchObject({ v: 1, first: 12, head: heads.at(-1) });
    expect((await inside('audit', 'prove', path, '--entry', '40')).code).toBe('ERR_AUDIT_BROKEN');
    expect((await inside('audit', 'prove', path)).code).toBe('ERR_USAGE');
  });
});

test('audit list prints entries, all or of one kind', async () => {
  const other = text({ sequence: COUNT, at: 1, event: 'budgets-set', owner: '\u001b[31mred' });
  const path = await save('listed', [...entries, other]);
  expect((await inside('audit', 'list', path)).data).toHaveLength(COUNT + 1);
  const { data } = await inside('audit', 'list', path, '--event', 'budgets-set');
  expect(data).toEqual([JSON.parse(other)]);
  expect(
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  ).toHaveLength(64);
});
