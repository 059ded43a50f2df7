import { RsaKeySchema } from '@strongroom/protocol/public-key';
import {
  verifyAuditHead,
  verifyAuditLog,
  verifyConsistency,
  verifyReceipt,
} from '@strongroom/sealing/audit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get } from '../../test/get.ts';
import { encoded, policyFor, workerClaims } from '../../test/token.ts';
import { createTransportKey, startVault, type Vault } from '../../test/vault.ts';

/** The audit log as its readers see it over HTTPS, checked with the release key alone. */

const transport = createTransportKey();
let vault: Vault;
let author: Parameters<typeof verifyAuditHead>[1];

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated' });
  const known = await get(`${vault.url}/.well-known/strongroom`, vault.ca);
  const releaseKey = RsaKeySchema.parse(JSON.parse(known.body).releaseKey);
  author = { owner: 'west', releaseKey };
  const releasePolicy = encoded(policyFor('simulated'));
  await vault.client('administer').createOctKey('share', { exportable: true, releasePolicy });
}, 60_000);
afterAll(() => vault.stop());

async function ask(path: string, token = vault.tokens.audit) {
  const answer = await get(`${vault.url}${path}`, vault.ca, { token });
  return { status: answer.status, json: JSON.parse(answer.body) };
}

async function release() {
  const target = await vault.authority.token(workerClaims(transport.publicKey));
  const answer = await get(`${vault.url}/keys/share/release?api-version=7.4`, vault.ca, {
    method: 'POST',
    token: vault.tokens.release,
    body: JSON.stringify({ target, enc: 'RSA_AES_KEY_WRAP_256' }),
  });
  return JSON.parse(answer.body);
}

describe('receipts', () => {
  test('a release comes with the proof that it is in the log', async () => {
    const { value, receipt } = await release();
    expect(value).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    const { entry, index, head } = await verifyReceipt(receipt, author);
    expect(entry).toMatchObject({ event: 'key-released', key: 'share', contract: 'c0'.repeat(32) });
    expect(head.size).toBeGreaterThan(index);
    // The same entry in the log that an auditor is shown.
    const shown = (await ask(`/audit/entries?from=${index}&limit=1`)).json.entries;
    expect(shown).toEqual([receipt.entry]);
  });

  test('sixteen at once get one each, of their own entry', async () => {
    const receipts = await Promise.all(Array.from({ length: 16 }, () => release()));
    const verified = await Promise.all(
      receipts.map(({ receipt }) => verifyReceipt(receipt, author)),
    );
    expect(new Set(verified.map(({ index }) => index)).size).toBe(16);
    expect(new Set(verified.map(({ entry }) => entry['tokenSha256'])).size).toBe(16);
  });

  test('refusals are proven on demand', async () => {
    await vault
      .client('release')
      .releaseKey('share', 'no.to.ken')
      .catch(() => undefined);
    const { size } = (await ask('/audit/head')).json;
    const { json } = await ask(`/audit/proof/inclusion?index=${size - 1}`);
    const { entry } = await verifyReceipt(json, author);
    expect(entry).toMatchObject({ event: 'release-refused', code: 'ERR_TOKEN_INVALID' });
  });
});

describe('heads', () => {
  test('a log goes on from a remembered head, also after a restart', async () => {
    const remembered = await verifyAuditHead((await ask('/audit/head')).json.head, author);
    await release();
    await vault.restart();
    const { json } = await ask(`/audit/proof/consistency?first=${remembered.size}`);
    const head = await verifyConsistency(json, remembered, author);
    expect(head.size).toBe(remembered.size + 1);
  });

  test('the whole log can be read and checked, and every entry is covered', async () => {
    const { entries } = (await ask('/audit/entries')).json;
    const { heads } = (await ask('/audit/heads')).json;
    const at = (index: number) => verifyAuditHead(heads[index].jws, author);
    const { tree, covered } = await verifyAuditLog(entries, { count: heads.length, at });
    expect([tree.size, covered]).toEqual([entries.length, entries.length]);
  });
});

describe('who reads', () => {
  const paths = [
    'head',
    'entries',
    'heads',
    'proof/inclusion?index=0',
    'proof/consistency?first=1',
  ];
  test.each(paths)('only an auditor reads /audit/%s', async (path) => {
    for (const token of [vault.tokens.release, vault.tokens.administer]) {
      const { status, json } = await ask(`/audit/${path}`, token);
      expect([status, json.error.innererror.code]).toEqual([403, 'ERR_RIGHT_MISSING']);
    }
    const challenged = await get(`${vault.url}/audit/${path}`, vault.ca);
    expect(challenged.status).toBe(401);
  });

  test.each([
    'entries?from=-1',
    'entries?from=1e3',
    'entries?limit=0',
    'entries?limit=1001',
    'entries?more=1',
    'proof/inclusion',
    'proof/inclusion?index=999999',
    'proof/consistency?first=0',
    'proof/consistency?first=999999',
  ])('/audit/%s is refused with a code', async (path) => {
    const { status, json } = await ask(`/audit/${path}`);
    expect([status, json.error.innererror.code]).toEqual([400, 'ERR_REQUEST_INVALID']);
  });
});
