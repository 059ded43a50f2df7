import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DatabaseSync, StatementSync } from 'node:sqlite';
import { codeOf } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { encoded, policyFor, workerClaims } from '../test/token.ts';
import { createTransportKey, startVault, type Vault } from '../test/vault.ts';
import { createClientOf, createContract, createWorker, type TestWorker } from '../test/worker.ts';
import type * as Database from './storage/database.ts';
import { DATABASE_FILE } from './storage/database.ts';

/** A disk that is full, a page that is damaged, a clock that jumps: refused with a code, mended. */

let database: DatabaseSync;
vi.mock('./storage/database.ts', async (original) => {
  const real = await original<typeof Database>();
  const openDatabase = (folder: string) => {
    database = real.openDatabase(folder);
    return database;
  };
  return { ...real, openDatabase };
});

const transport = createTransportKey();
let ahead = 0;
let vault: Vault;
let worker: TestWorker;
let contractId: string;
/** A service that was started again has another port. */
const client = () => createClientOf(vault, contractId);

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated', ahead: () => ahead });
  const releasePolicy = encoded(policyFor('simulated'));
  await vault.client('administer').createOctKey('share', { exportable: true, releasePolicy });
  const made = await createContract();
  contractId = made.contractId;
  worker = await createWorker(vault.authority, contractId);
  await client().contract(made.signed);
  await client().budgets({ flights: { rho: '100000' } });
}, 60_000);
afterAll(() => vault.stop());
beforeEach(() => {
  ahead = 0;
});

let hour = 0;
const debit = () => client().debit(worker, worker.debitOf(hour++, { flights: { rho: '1' } }));
async function release() {
  const target = await vault.authority.token(workerClaims(transport.publicKey));
  const body = { target, enc: 'RSA_AES_KEY_WRAP_256' };
  return client().ask('POST', '/keys/share/release', 'release', body);
}
const count = (entries: readonly { event?: unknown }[], event: string) =>
  entries.filter((entry) => entry.event === event).length;

describe('a disk that is full', () => {
  const pages = (limit: number) => database.exec(`PRAGMA max_page_count = ${limit}`);
  const inUse = () => Number(database.prepare('PRAGMA page_count').get()?.['page_count']);

  test('lets nothing out that is not written down, and goes on when mended', async () => {
    const before = await vault.entries();
    const [account] = await client().accounts();
    pages(inUse());
    const first = hour;
    const codes: unknown[] = [];
    let released = 0;
    for (let turn = 0; turn < 200 && codes.length < 20; turn += 1) {
      const answers = [await release(), await debit()];
      released += Number(answers[0]?.status === 200);
      for (const { status, code, json } of answers) {
        if (status !== 200) codes.push(`${status} ${code}`);
        expect(status === 200).toBe('value' in json || 'entry' in json);
      }
    }
    expect(new Set(codes)).toEqual(new Set(['503 ERR_DISK_FULL']));
    pages(1_000_000);
    expect((await release()).status).toBe(200);
    // Some were written down and not answered, for want of a signed head: asked again, they are once.
    const asked = hour - first;
    hour = first;
    for (let turn = 0; turn < asked; turn += 1) expect((await debit()).status).toBe(200);
    const [after] = await client().accounts();
    expect(after.debits - account.debits).toBe(asked);
    // Read anew from the disk, and verified by the start.
    const entries = await vault.entries();
    const added = (event: string) => count(entries, event) - count(before, event);
    expect(added('key-released')).toBeGreaterThan(released);
    expect(added('budget-debited')).toBe(asked);
  });
});

describe('a damaged page', () => {
  test('ends the start with a code, or changes nothing that is known', {
    timeout: 300_000,
  }, async () => {
    const known = JSON.stringify(await vault.entries());
    const path = join(vault.folder, 'data', DATABASE_FILE);
    const put = (bytes: Buffer) => {
      for (const name of ['', '-wal', '-shm']) rmSync(`${path}${name}`, { force: true });
      writeFileSync(path, bytes, { mode: 0o600 });
    };
    const whole = await vault.stopped(() => readFileSync(path));
    const size = whole.readUInt16BE(16);
    const outcomes = new Set<unknown>();
    for (let page = 0; page < whole.length / size; page += 1) {
      const damaged = Buffer.from(whole);
      // Behind the header of the file: another program's file is another test's.
      damaged.fill(0xa5, page * size + (page === 0 ? 100 : 0), (page + 1) * size);
      const started = await vault.stopped(() => put(damaged)).then(() => 'started', codeOf);
      outcomes.add(started);
      if (started === 'started') expect(JSON.stringify(await vault.entries())).toBe(known);
      await vault.stopped(() => put(whole));
    }
    outcomes.delete('started');
    expect(outcomes).toEqual(new Set(['ERR_STATE_CORRUPT']));
    expect(JSON.stringify(await vault.entries())).toBe(known);
  });

  test('that is met while the service runs is answered with a code', async () => {
    const read = vi.spyOn(StatementSync.prototype, 'all').mockImplementation(() => {
      throw Object.assign(new Error('database disk image is malformed'), { errcode: 11 });
    });
    const { status, code } = await client().ask('GET', '/keys', 'administer');
    read.mockRestore();
    expect([status, code]).toEqual([503, 'ERR_STATE_CORRUPT']);
  });
});

describe('a clock that jumps', () => {
  test('refuses tokens of another time, and the log is whole when it is set right', async () => {
    const outcomes: unknown[] = [];
    for (const hours of [0, 24, -24, 0, 10_000, 0]) {
      ahead = hours * 3_600_000;
      outcomes.push((await release()).code ?? 'released');
      outcomes.push((await debit()).code ?? 'debited');
    }
    const [good, bad] = [
      ['released', 'debited'],
      ['ERR_TOKEN_INVALID', 'ERR_TOKEN_INVALID'],
    ];
    expect(outcomes).toEqual([good, bad, bad, good, bad, good].flat());
    ahead = 0;
    await vault.restart();
    expect((await release()).status).toBe(200);
  });
});
