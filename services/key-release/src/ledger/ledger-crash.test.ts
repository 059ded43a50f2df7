import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { amountOf, unitsOf } from '@strongroom/protocol/decimal';
import { DebitSchema } from '@strongroom/protocol/ledger';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exitCode, startProgram } from '../../test/program.ts';
import { prepareVault } from '../../test/vault.ts';
import { createClientOf, createContract, createWorker } from '../../test/worker.ts';
import { createAuditLog } from '../audit/audit-log.ts';
import { readVersions } from '../requester/versions.ts';
import { openDatabase } from '../storage/database.ts';
import { openLedger } from './ledger.ts';

/**
 * The service is killed without warning, again and again, while four clients debit. Afterwards
 * nothing that was answered is lost, nothing was debited twice, and the sums are those of the log.
 */
const ROUNDS = process.env['STRONGROOM_LONG'] === '1' ? 100 : 5;
const LIMIT = '1000';
const COST = '0.7';

let prepared: Awaited<ReturnType<typeof prepareVault>>;
beforeAll(async () => {
  prepared = await prepareVault({ platform: 'simulated' });
}, 60_000);
afterAll(() => prepared.remove());

test('killed at any moment: no debit is lost or doubled', {
  timeout: ROUNDS * 20_000,
}, async () => {
  const { signed, contractId } = await createContract();
  const worker = await createWorker(prepared.authority, contractId);
  const answered = new Map<number, number>();
  let hour = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const { child, url } = await startProgram(prepared.args);
    const client = createClientOf({ ...prepared, url }, contractId);
    if (round === 0) {
      await client.contract(signed);
      await client.budgets({ flights: { rho: LIMIT } });
    }
    const first = hour;
    const isRunning = () => child.exitCode === null && child.signalCode === null;
    const asking = Array.from({ length: 4 }, async () => {
      while (isRunning()) {
        // Now and then one of this round again, whether it was answered or not.
        const wanted = hour % 3 === 2 && hour > first ? hour - 2 : hour;
        hour += 1;
        const debit = worker.debitOf(wanted, { flights: { rho: COST } });
        const answer = await client.debit(worker, debit).catch(() => undefined);
        if (answer?.status !== 200) continue;
        const before = answered.get(wanted);
        if (before !== undefined) expect(answer.json.entry).toBe(before);
        answered.set(wanted, answer.json.entry);
      }
    });
    await sleep(100 + ((round * 137) % 400));
    child.kill('SIGKILL');
    await Promise.all([exitCode(child), ...asking]);
  }
  const database = openDatabase(join(prepared.folder, 'data'));
  const log = createAuditLog(database, { now: () => 0, monotonic: () => 0 });
  const { size } = log.verify();
  const debits = log.read(0, size).flatMap((entry) => {
    const { event, debit, sequence } = JSON.parse(entry);
    return event === 'budget-debited' ? [{ sequence, ...DebitSchema.parse(debit) }] : [];
  });
  const [account] = openLedger(log, log.all(), readVersions(log.all())).accounts(
    debits[0]?.contract ?? expect.fail('none'),
  );
  database.close();
  const hours = debits.map(({ window }) => (window?.start ?? 0) / 3_600_000);
  expect(new Set(hours).size).toBe(debits.length);
  expect(account?.spent['rho']).toBe(amountOf(unitsOf(COST) * BigInt(debits.length)));
  const written = new Map(debits.map(({ sequence }, index) => [hours[index], sequence]));
  expect(answered.size).toBeGreaterThan(ROUNDS);
  for (const [each, entry] of answered) expect(written.get(each)).toBe(entry);
});
