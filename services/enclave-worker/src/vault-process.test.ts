import { createLogger } from '@strongroom/runtime/logger';
import { expect, test } from 'vitest';
import { agreeOn } from '../test/owners.ts';
import { startVault } from './vault-process.ts';

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
