import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agreeOn } from '../test/agree-on.ts';
import { inside, strongroomInside } from '../test/run-strongroom.ts';
import { type KeyReleaseService, startKeyRelease } from '../test/start-key-release.ts';

/** Budgets in the owner's service that the real command starts. */

let service: KeyReleaseService;
let contract: string;

beforeAll(async () => {
  service = await startKeyRelease();
  const { releaseKey } = JSON.parse(await service.get('/.well-known/strongroom'));
  const { url } = service;
  contract = await agreeOn({ title: 'ledger', statementKey: releaseKey, releaseKey, url, service });
}, 60_000);
afterAll(async () => expect(await service.stop()).toBe(0));

const of = (token: string) => [
  ...['--vault', service.url, '--contract', contract, '--token-file', join(service.folder, token)],
  ...['--ca-file', join(service.folder, 'ca')],
];
const set = (...more: string[]) =>
  inside('ledger', 'budget', 'set', ...of('admin'), '--dataset', 'flights', ...more);

test('a budget is set for a contract that the service knows, and shown', async () => {
  expect(await set('--rho', '0.5')).toMatchObject({ code: 'ERR_CONTRACT_UNKNOWN' });
  const policy = ['--name', 'kek', '--contract', contract];
  const vault = of('admin').filter((each) => each !== '--contract' && each !== contract);
  expect((await inside('key', 'create', ...vault, '--name', 'kek')).exitCode).toBe(0);
  expect((await inside('key', 'policy', 'set', ...vault, ...policy)).exitCode).toBe(0);
  const budget = { dataset: 'flights', limit: { rho: '0.5' }, spent: {}, debits: 0 };
  expect((await set('--rho', '0.5')).data).toEqual([budget]);
  expect((await inside('ledger', 'show', ...of('audit'))).data).toEqual([budget]);
  const { stdout } = await strongroomInside('ledger', 'show', ...of('audit'));
  expect(stdout).toBe('flights: 0 of rho 0.5, 0 debits\n');
  expect((await inside('ledger', 'show', ...of('access'))).code).toBe('ERR_RIGHT_MISSING');
});

test.each([
  [],
  ['--rho', '.5'],
  ['--rho', '1e3'],
  ['--epsilon', '1'],
  ['--epsilon', '1', '--delta', '0', '--rho', '1'],
])('amounts are exact decimals of one measure: %j %j', async (...amounts) => {
  expect(await set(...amounts.map(String))).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
});
