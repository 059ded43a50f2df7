import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DENY_ALL_POLICY } from '@strongroom/attestation/release-policy';
import { joinPrivateKey } from '@strongroom/sealing/key-shares';
import { createUnwrapper } from '@strongroom/sealing/open';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside } from '../test/run-strongroom.ts';
import { type KeyReleaseService, startKeyRelease } from '../test/start-key-release.ts';
import { contractFromDraft } from './contract-draft.ts';

/** From a split to a holder's service and to a contract. */

const STARTED_WITHIN_MS = 60_000;
let service: KeyReleaseService;
beforeAll(async () => {
  service = await startKeyRelease();
}, STARTED_WITHIN_MS);
afterAll(async () => expect(await service.stop()).toBe(0));

const HOLDERS = ['north', 'south', 'east'];
const at = (name: string) => join(service.folder, name);
const split = (out: string, threshold = '2', holders = HOLDERS.join(','), dataset = 'flights') =>
  inside(
    ...['key', 'split', '--dataset', dataset, '--threshold', threshold],
    ...['--holders', holders, '--out', at(out)],
  );

async function shareOf(out: string, party: string) {
  return JSON.parse(await readFile(at(join(out, `${party}.share.json`)), 'utf8'));
}

describe('key split', () => {
  test('makes shares of which any two are the key that it prints', async () => {
    const { exitCode, data } = await split('any');
    expect(exitCode).toBe(0);
    const { wrappingKey, keyShares } = data;
    expect(keyShares).toMatchObject({
      threshold: 2,
      holders: [{ keyId: 'flights-share' }, {}, {}],
    });
    const shares = [];
    for (const { party, point, sha256 } of keyShares.holders) {
      const { mode } = await stat(at(join('any', `${party}.share.json`)));
      expect(mode & 0o777).toBe(0o600);
      const share = Buffer.from((await shareOf('any', party)).k, 'base64url');
      expect(createHash('sha256').update(share).digest('hex')).toBe(sha256);
      expect(JSON.stringify(data)).not.toContain(share.toString('base64url'));
      shares.push({ point, share });
    }
    for (const without of [0, 1, 2]) {
      const two = shares.filter((_share, index) => index !== without);
      const joined = await joinPrivateKey(keyShares, two);
      expect(createUnwrapper(joined, wrappingKey).publicKey).toEqual(wrappingKey);
    }
  });

  test('overwrites no share', async () => {
    await split('once');
    const before = await shareOf('once', 'north');
    expect(await split('once')).toMatchObject({ code: 'ERR_FILE_UNWRITABLE' });
    expect(await shareOf('once', 'north')).toEqual(before);
  });

  test.each([
    ['1', 'north,south', 'flights'],
    ['3', 'north,south', 'flights'],
    ['two', 'north,south', 'flights'],
    ['2', 'north,north', 'flights'],
    ['2', 'north', 'flights'],
    ['2', 'north,', 'flights'],
    ['2', '../north,south', 'flights'],
    ['2', 'north,south', 'Flights'],
    ['2', Array.from({ length: 17 }, (_none, index) => `p${index}`).join(','), 'flights'],
  ])('refuses threshold %s of %s for %s', async (threshold, holders, dataset) => {
    const refused = await split('never', threshold, holders, dataset);
    expect(refused).toMatchObject({ exitCode: 2, code: 'ERR_USAGE' });
    await expect(stat(at('never'))).rejects.toThrow();
  });

  test('is what a draft names by file', async () => {
    const { data } = await split('draft', '2', 'north,south');
    const file = await service.secretFile('split.json', JSON.stringify(data));
    const draft = await draftWith({ wrappingKey: { file }, keyShares: { file } });
    const contract = await contractFromDraft(draft);
    expect(contract.datasets[0]).toMatchObject(data);
  });
});

async function draftWith(members: object): Promise<string> {
  const { data: example } = await inside('contract', 'new', '--example');
  const rsa = { kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' };
  for (const party of example.parties) {
    const made = ['identity', 'new', '--party', party.id, '--out', at(`${party.id}.identity`)];
    const { data } = await inside(...made, ...(party.keyRelease ? [] : ['--reader']));
    delete party.identity;
    Object.assign(party, { ...data, id: party.id });
    delete party.party;
    if (party.keyRelease) party.keyRelease.releaseKey = rsa;
  }
  for (const dataset of example.datasets) dataset.wrappingKey = rsa;
  Object.assign(example.datasets[0], members);
  example.enclave.measurements = [{ name: 'build', sha384: '0'.repeat(96) }];
  for (const authority of example.enclave.authorities) authority.keys = [rsa];
  return service.secretFile('draft.json', JSON.stringify(example));
}

describe('key import', () => {
  test('keeps a share that nobody gets, and prints what the contract says of it', async () => {
    const { data } = await split('kept');
    const [holder] = data.keyShares.holders;
    const vault = ['--vault', service.url, '--token-file', at('admin'), '--ca-file', at('ca')];
    const share = at(join('kept', `${holder.party}.share.json`));
    const kept = await inside('key', 'import', ...vault, '--share', share);
    expect(kept).toMatchObject({
      exitCode: 0,
      data: { name: 'flights-share', party: holder.party, exportable: true, sha256: holder.sha256 },
    });
    expect(JSON.stringify(kept)).not.toContain((await shareOf('kept', holder.party)).k);
    const policy = await inside('key', 'policy', 'show', ...vault, '--name', 'flights-share');
    expect(policy.data).toEqual(DENY_ALL_POLICY);
  });

  test.each([
    ['no JSON', '{'],
    ['a private key', '{"kty":"RSA","n":"AA","e":"AQAB","d":"AA"}'],
    [
      'a short share',
      `{"dataset":"d","party":"p","keyId":"k","kty":"oct","k":"${'A'.repeat(42)}"}`,
    ],
  ])('refuses %s', async (_name, text) => {
    const share = await service.secretFile('bad.json', text);
    const vault = ['--vault', service.url, '--token-file', at('admin'), '--ca-file', at('ca')];
    const refused = await inside('key', 'import', ...vault, '--share', share);
    expect(refused.code).toBe('ERR_CONFIG_INVALID');
    expect(JSON.stringify(refused)).not.toContain('"d"');
  });
});
