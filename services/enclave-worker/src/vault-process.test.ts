import { once } from 'node:events';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { createLogger } from '@strongroom/runtime/logger';
import { describe, expect, test } from 'vitest';
import { agreeOn } from '../test/owners.ts';
import { hasEnded, launchVault, VaultAhead } from './vault-launch.ts';
import { startVault } from './vault-process.ts';
import { findWrapping, foldersWithin } from './vault-walls.ts';

const logger = createLogger('test', { level: 'silent' });
const COLUMNS = [{ name: 'a', type: 'int32', nullable: false }] as const;
const QUERY = {
  id: 'q',
  sql: 'SELECT count(*) AS n, sum(a) AS s FROM t',
  relations: ['t'],
  window: { kind: 'whole' },
  latenessMs: 0,
} as const;

test('the vault answers in its own process', async () => {
  const computation = await agreeOn(
    [{ id: 'a', relation: 't', columns: COLUMNS }],
    [QUERY as never],
  );
  const vault = await startVault({ logger, deadlineMs: 20_000 });
  const opened = await vault.request('open', { contract: computation.signed, memoryMb: 128 });
  expect(opened.answer.contractId).toBe(computation.contractId);
  const { answer } = await vault.request('claims', {});
  expect(answer.nonce).toMatch(/^[\w-]{43}$/);
  expect(vault.peakBytes).toBeGreaterThan(1_000_000);
  await vault.close();
});

test('a request that takes too long costs the vault its life, and only that', async () => {
  const vault = await startVault({ logger, deadlineMs: 5 });
  const lost = vault.request('claims', {}).catch((error: unknown) => codeOf(error));
  expect(await lost).toBe('ERR_VAULT_LOST');
  expect(await vault.request('claims', {}).catch(codeOf)).toBe('ERR_VAULT_LOST');
  await vault.close();
});

describe('a process that was started ahead', () => {
  test('is taken once', async () => {
    const ahead = new VaultAhead();
    const taken = ahead.take();
    expect(ahead.take()).toEqual({});
    const vault = await startVault({ logger, deadlineMs: 20_000, ...taken });
    expect(vault.pid).toBe((await taken.launched)?.child.pid);
    expect(await vault.request('claims', {}).catch(codeOf)).toBe('ERR_VAULT_LOST');
    await ahead.discard();
    expect(() => process.kill(vault.pid, 0)).not.toThrow();
    await vault.close();
  });

  test('is ended where nobody takes it', async () => {
    const launched = launchVault();
    await new VaultAhead(launched).discard();
    const { child } = await launched;
    if (!hasEnded(child)) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
  });

  test('and that ended before it was taken is a vault that was lost', async () => {
    const launched = launchVault({ entry: ['--version'] });
    const { child } = await launched;
    if (!hasEnded(child)) await once(child, 'exit');
    const vault = await startVault({ logger, deadlineMs: 20_000, launched });
    expect(await vault.request('claims', {}).catch(codeOf)).toBe('ERR_VAULT_LOST');
  });

  test('and could not be started is a vault that was lost', async () => {
    const ahead = new VaultAhead(Promise.reject(new StrongroomError('ERR_VAULT_LOST')));
    await expect(startVault({ logger, deadlineMs: 1, ...ahead.take() })).rejects.toThrow();
    await ahead.discard();
  });
});

test('no two vaults of a process have the same transport key', async () => {
  const { signed } = await agreeOn(
    [{ id: 'a', relation: 't', columns: COLUMNS }],
    [QUERY as never],
  );
  const vault = await startVault({ logger, deadlineMs: 20_000 });
  const keys = new Set<string>();
  for (let opened = 0; opened < 2; opened += 1) {
    await vault.request('open', { contract: signed, memoryMb: 128 });
    const { runtimeClaims } = (await vault.request('claims', {})).answer;
    keys.add(JSON.parse(Buffer.from(runtimeClaims, 'base64url').toString()).keys[0].n);
  }
  expect(keys.size).toBe(2);
  await vault.close();
});

const HUNGRY = join(import.meta.dirname, '../test/vault.hungry.ts');

if (process.platform !== 'linux') process.stderr.write("SKIPPED: a vault's walls: no Linux here\n");
test.runIf(process.platform === 'linux')('a vault that eats memory is ended, soon', async () => {
  const options = { logger, deadlineMs: 20_000, residentMbMax: 400 };
  const vault = await startVault({ ...options, entry: [HUNGRY, 'eats'] });
  const since = performance.now();
  const [served, waiting] = await Promise.allSettled([
    vault.request('claims', {}),
    vault.request('claims', {}),
  ]);
  expect(performance.now() - since).toBeLessThan(15_000);
  expect(served).toMatchObject({ reason: { code: 'ERR_VAULT_LOST', facts: { served: true } } });
  expect(waiting).toMatchObject({ reason: { code: 'ERR_VAULT_LOST', facts: { served: false } } });
  await vault.close();
});

test('a vault that does nothing but turn is ended at the deadline', async () => {
  const vault = await startVault({ logger, deadlineMs: 1_500, entry: [HUNGRY, 'hangs'] });
  const lost = vault.request('claims', {}).catch((error: unknown) => error);
  expect(await lost).toMatchObject({ code: 'ERR_VAULT_LOST', facts: { served: true } });
  await vault.close();
  expect(() => process.kill(vault.pid, 0)).toThrow('ESRCH');
});

test('a request that means nothing ends the vault', async () => {
  const vault = await startVault({ logger, deadlineMs: 20_000 });
  const lost = vault.request('open', { contract: {}, memoryMb: 1 }).catch(codeOf);
  expect(await lost).toBe('ERR_VAULT_LOST');
  await vault.close();
});

test('refusals cross the pipe with their codes, and the vault lives on', async () => {
  const vault = await startVault({ logger, deadlineMs: 20_000 });
  const refused = vault.request('open', { contract: {}, memoryMb: 128 }).catch(codeOf);
  expect(await refused).toBe('ERR_CONTRACT_MALFORMED');
  expect(await vault.request('claims', {}).catch(codeOf)).toBe('ERR_VAULT_LOST');
  const again = vault.request('open', { contract: {}, memoryMb: 128 }).catch(codeOf);
  expect(await again).toBe('ERR_CONTRACT_MALFORMED');
  await vault.close();
});

test.runIf(process.platform === 'linux')('it is known whether folders can be made', async () => {
  // Here, this test could.
  expect(await foldersWithin([])).toBe('can be made');
  expect(await foldersWithin(['false'])).toBe('not known');
  expect(await foldersWithin(['/no/such/program'])).toBe('not known');
  const { wrapper } = await findWrapping([import.meta.dirname]);
  const hasRoot = wrapper.includes('-nm') || wrapper.includes('-rnm');
  if (hasRoot) expect(await foldersWithin(wrapper)).toBe('none can be made');
});

test.runIf(process.platform === 'linux')('the process has nothing to leak through', async () => {
  let isolation = '';
  const watching = {
    ...logger,
    info: (_event: string, fields = {}) => Object.assign(seen, fields),
  };
  const seen: { state?: string } = {};
  const vault = await startVault({ logger: watching, deadlineMs: 20_000 });
  const { signed } = await agreeOn(
    [{ id: 'a', relation: 't', columns: COLUMNS }],
    [QUERY as never],
  );
  await vault.request('open', { contract: signed, memoryMb: 128 });
  isolation = seen.state ?? '';
  const proc = (name: string) => readFile(`/proc/${vault.pid}/${name}`, 'utf8');
  const variables = (await proc('environ')).split('\0').map((line) => line.split('=')[0]);
  expect(['', 'PATH', 'PWD']).toEqual(expect.arrayContaining(variables));
  expect(await proc('limits')).toMatch(/Max core file size +0 +0/);
  expect(await proc('limits')).toMatch(/Max file size +0 +0/);
  expect(await proc('limits')).toMatch(/Max open files +0 +0/);
  for (const fd of [0, 1, 2])
    expect(await readlink(`/proc/${vault.pid}/fd/${fd}`)).toBe('/dev/null');
  if (isolation === 'own root and network') {
    const mounts = (await proc('mounts')).split('\n').filter((line) => line !== '');
    expect(mounts.filter((line) => !/ ro[, ]/.test(line))).toEqual([]);
    const inside = `/proc/${vault.pid}/${'root'}/etc/passwd`;
    await expect(readFile(inside)).rejects.toThrow('ENOENT');
  }
  if (isolation !== '') {
    const interfaces = (await proc('net/dev'))
      .split('\n')
      .slice(2)
      .map((line) => line.trim());
    expect(interfaces.filter((line) => line !== '').every((line) => /^lo:/.test(line))).toBe(true);
  }
  await vault.close();
});
