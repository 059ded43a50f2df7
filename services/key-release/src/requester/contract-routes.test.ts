import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CONTRACTS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import { systemClock } from '@strongroom/runtime/clock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { get } from '../../test/get.ts';
import { type Agreed, createGuarded, type Guarded, targetOf } from '../../test/guarded.ts';
import { ISSUER } from '../../test/token.ts';
import { DATABASE_FILE } from '../storage/database.ts';
import { createContractStore } from './contract-store.ts';
import { readVersions } from './versions.ts';

let guarded: Guarded;
let agreed: Agreed;
beforeAll(async () => {
  guarded = await createGuarded();
  agreed = await guarded.agree({ ownVerification: true });
}, 120_000);
afterAll(() => guarded.vault.stop());

async function ask(method: string, id: string, body?: unknown, token?: string) {
  const { url, ca, tokens } = guarded.vault;
  const answer = await get(`${url}/contracts/${id}`, ca, {
    method,
    token: token ?? tokens.administer,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const parsed = JSON.parse(answer.body);
  return { status: answer.status, body: parsed, code: parsed.error?.innererror?.code };
}

test('a contract is what was put, once in the audit log however often it is put', async () => {
  const { contractId, signed } = agreed;
  expect(await ask('GET', contractId)).toMatchObject({ status: 404, code: 'ERR_CONTRACT_UNKNOWN' });
  for (let time = 0; time < 2; time += 1) {
    expect(await ask('PUT', contractId, signed)).toMatchObject({
      status: 200,
      body: { id: contractId },
    });
  }
  expect((await ask('GET', contractId)).body).toEqual(signed);
  const entries = await guarded.vault.entries();
  const stored = entries.filter(({ event }) => event === 'contract-stored');
  expect(stored).toEqual([
    expect.objectContaining({ contract: contractId, caller: expect.any(String) }),
  ]);
});

test('what not every party signed, or is another contract, is not stored', async () => {
  const { contractId, signed } = agreed;
  const other = await guarded.agree({ agreement: 2 });
  const [first, second] = signed.signatures;
  const foreign = [first, other.signed.signatures[1]];
  const cases: readonly (readonly [unknown, string])[] = [
    [{ ...signed, signatures: [] }, 'ERR_CONTRACT_UNSIGNED'],
    [{ ...signed, signatures: [first] }, 'ERR_CONTRACT_UNSIGNED'],
    [{ ...signed, signatures: [first, second, second] }, 'ERR_CONTRACT_SIGNATURE_INVALID'],
    [{ ...signed, signatures: foreign }, 'ERR_CONTRACT_SIGNATURE_INVALID'],
    [{ ...signed, extra: 1 }, 'ERR_CONTRACT_MALFORMED'],
    [other.signed, 'ERR_CONTRACT_MISMATCH'],
    ['text', 'ERR_CONTRACT_MALFORMED'],
  ];
  for (const [body, code] of cases) {
    expect(await ask('PUT', contractId, body)).toMatchObject({ status: 400, code });
  }
  expect((await ask('PUT', 'c0', signed)).code).toBe('ERR_REQUEST_INVALID');
  expect((await ask('GET', other.contractId)).code).toBe('ERR_CONTRACT_UNKNOWN');
});

test('a contract is still itself when more of them were read than are remembered', async () => {
  const several = [];
  for (let count = 0; count < CONTRACTS_REMEMBERED_MAX + 2; count += 1) {
    several.push(await guarded.agree());
  }
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE contracts (id TEXT, signed TEXT, stored INTEGER)');
  const insert = database.prepare('INSERT INTO contracts VALUES (?, ?, 0)');
  for (const { contractId, signed } of several) insert.run(contractId, JSON.stringify(signed));
  const store = createContractStore(database, {} as never, systemClock, readVersions([]));
  for (const { contractId, contract } of [...several, ...several]) {
    expect(store.contractOf(contractId)).toEqual(contract);
  }
});

test('only who administers may put or read one', async () => {
  const { contractId, signed } = agreed;
  const { release, audit } = guarded.vault.tokens;
  for (const token of [release, audit]) {
    expect((await ask('PUT', contractId, signed, token)).code).toBe('ERR_RIGHT_MISSING');
    expect((await ask('GET', contractId, undefined, token)).code).toBe('ERR_RIGHT_MISSING');
  }
  const nobody = 'x'.repeat(43);
  expect((await ask('PUT', contractId, signed, nobody)).code).toBe('ERR_UNAUTHENTICATED');
});

test('whoever edits a stored contract changes no demand, and gets nothing', async () => {
  const strict = await guarded.agree({ ownVerification: true, guestPolicy: { vmpl: 1 } });
  const name = await guarded.keyUnder(strict);
  await guarded.upload(strict);
  const started = await guarded.start(strict);
  const target = targetOf([await guarded.token(ISSUER, started)], started.evidence);
  expect(await guarded.ask(name, target)).toMatchObject({ code: 'ERR_APPRAISAL_REFUSED' });
  const loose = await guarded.agree({ ownVerification: true });
  await guarded.vault.edit((data) => {
    const database = new DatabaseSync(join(data, DATABASE_FILE));
    const change = database.prepare('UPDATE contracts SET signed = ? WHERE id = ?');
    change.run(JSON.stringify(loose.signed), strict.contractId);
    database.close();
  });
  expect(await guarded.ask(name, target)).toMatchObject({ code: 'ERR_STORE_SEALED' });
});
