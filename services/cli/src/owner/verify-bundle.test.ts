import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureImage, type SimulatedPlatform } from '@strongroom/attestation/insecure';
import { systemClock } from '@strongroom/runtime/clock';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AnsweringWorker, streamOf } from '../../test/answering-worker.ts';
import { inside } from '../../test/run-strongroom.ts';
import { authority, createUsesScene, type UsesScene } from '../../test/uses-scene.ts';

/** What an owner hands to others, as they check it: with audit log and ledger, test/page does. */

const IMAGE = [Uint8Array.of(8)];
let scene: UsesScene;
let platform: SimulatedPlatform;
let roots: string;
let folder: string;
// biome-ignore lint/suspicious/noExplicitAny: a test edits any place of it
let bundle: any;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-bundle-'));
  ({ platform, folder: roots } = await sharedTestPlatform());
  scene = await createUsesScene('Bundle', (contract) => ({
    ...contract,
    enclave: {
      ...Object(contract['enclave']),
      measurements: [{ name: 'build 8', sha384: measureImage(IMAGE) }],
    },
  }));
  const { contractId, signed } = scene;
  const streams = [streamOf('flights-north', 'main'), ...['south', 'silent'].map(ofOther)];
  const about = { contractId, platform, image: IMAGE, streams };
  const worker = new AnsweringWorker({ ...about, authority: authority.privateKey });
  const nonce = Buffer.alloc(32, 7).toString('base64url');
  const answer = await worker.answer(nonce);
  bundle = {
    ...{ strongroom: 'proof-bundle/v1', owner: 'north', madeAt: systemClock.now() },
    contracts: [signed],
    evidence: { nonce, askedAt: systemClock.now(), answer },
  };
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const ofOther = (owner: string) => streamOf(`flights-${owner}`);

async function verify(edit: (file: typeof bundle) => void = () => undefined, ...more: string[]) {
  const edited = structuredClone(bundle);
  edit(edited);
  const file = join(folder, 'north.proofs.json');
  await writeFile(file, JSON.stringify(edited));
  return inside('owner', 'verify', file, '--simulated-roots', roots, ...more);
}

describe('a bundle', () => {
  test('says what is in it and what is not, and which list the machine was held to', async () => {
    expect(await verify()).toMatchObject({
      exitCode: 0,
      data: {
        ...{ owner: 'north', contract: scene.contractId },
        evidence: { accepted: true, code: { name: 'build 8' }, revocationList: null },
      },
    });
    const list = join(folder, 'Genoa.crl');
    await writeFile(list, platform.revocationList('Genoa'));
    const { data } = await verify(undefined, '--revocation-list', list);
    expect(data.evidence.revocationList).toMatchObject({ revoked: 0, hasEnded: false });
    await writeFile(list, platform.revocationList('Genoa', { revoked: ['ask'] }));
    expect(await verify(undefined, '--revocation-list', list)).toMatchObject({ exitCode: 77 });
  });

  test('carries the list that was seen, and is held to it also when it has ended', async () => {
    const carrying = (edit: object) => (file: typeof bundle) => {
      const list = platform.revocationList('Genoa', edit);
      file.revocationLists = [Buffer.from(list).toString('base64url')];
    };
    const { data } = await verify(carrying({}));
    expect(data.evidence.revocationList).toMatchObject({ revoked: 0, hasEnded: false });
    const revoked = await verify(carrying({ revoked: ['ask'] }));
    expect(revoked).toMatchObject({ exitCode: 77, code: 'ERR_CERTIFICATE_CHAIN' });
    // In force when the owner asked, as it says, and not any more.
    const nextUpdate = systemClock.now() - 60_000;
    const ended = carrying({ nextUpdate });
    expect((await verify(ended)).code).toBe('ERR_CERTIFICATE_CHAIN');
    const older = await verify((file) => {
      ended(file);
      file.evidence.askedAt = nextUpdate - 1_000;
    });
    expect(older.data.evidence.revocationList).toMatchObject({ hasEnded: true });
  });

  test('carries lists of other machines beside, and none that is no list', async () => {
    const other = await verify((file) => {
      file.revocationLists = [Buffer.from(platform.revocationList('Milan')).toString('base64url')];
    });
    expect(other.data.evidence.revocationList).toBeNull();
    for (const text of ['!', Buffer.alloc(70_000).toString('base64url')]) {
      const refused = await verify((file) => Object.assign(file, { revocationLists: [text] }));
      expect(refused.code).toBe('ERR_PROOF_BUNDLE');
    }
    const noList = await verify((file) => Object.assign(file, { revocationLists: ['AAAA'] }));
    expect(noList.exitCode).not.toBe(0);
  });

  test('without evidence is still one', async () => {
    const found = await verify((file) => delete file.evidence);
    expect(found).toMatchObject({ exitCode: 0, data: { owner: 'north' } });
    expect(found.data).not.toHaveProperty('evidence');
  });

  test.each<[string, (file: typeof bundle) => void, string]>([
    ['a member too many', (file) => Object.assign(file, { more: 1 }), 'ERR_PROOF_BUNDLE'],
    ['no contract', (file) => Object.assign(file, { contracts: [] }), 'ERR_PROOF_BUNDLE'],
    ['a signature less', (file) => file.contracts[0].signatures.pop(), 'ERR_CONTRACT_UNSIGNED'],
    [
      'evidence for another nonce',
      (file) => Object.assign(file.evidence, { nonce: Buffer.alloc(32, 8).toString('base64url') }),
      'ERR_REPORT_DATA_MISMATCH',
    ],
    [
      'a statement of another key',
      (file) => Object.assign(file.evidence.answer, { statement: 'e30.e30.e30' }),
      'ERR_STATEMENT_INVALID',
    ],
    [
      'an audit log that its service has not signed',
      (file) =>
        Object.assign(file, { audit: { owner: 'north', entries: [], heads: ['e30.e30.e30'] } }),
      'ERR_AUDIT_HEAD_INVALID',
    ],
    [
      'a ledger of another owner',
      (file) =>
        Object.assign(file, {
          uses: { contract: scene.contractId, owner: 'south', proofs: [], seals: [] },
        }),
      'ERR_PROOF_BUNDLE',
    ],
  ])('with %s is refused', async (_name, edit, code) => {
    const refused = await verify(edit);
    expect([refused.code, refused.exitCode === 0]).toEqual([code, false]);
  });
});
