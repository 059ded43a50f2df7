import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AUDIT_HEAD_JWS_TYPE } from '@strongroom/protocol/audit';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { IssuerKeySchema } from '@strongroom/protocol/public-key';
import { leafHash, merkleRoot } from '@strongroom/sealing/merkle';
import { createMerkleTree } from '@strongroom/sealing/merkle-tree';
import { createSigner } from '@strongroom/sealing/sign';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTlsFiles } from '../../test/tls.ts';
import { AuditFollower } from './audit-follower.ts';

/** A service that says of its audit log whatever the test lets it say, signed. */

const signerOf = () => createSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
const honest = signerOf();
const author = {
  owner: PartyIdSchema.parse('north'),
  releaseKey: IssuerKeySchema.parse(honest.publicKey),
};
const entryOf = (sequence: number, event = 'keys-read') =>
  new TextDecoder().decode(canonicalBytes({ sequence, at: 1_000 + sequence, event }));

let server: Server;
let folder: string;
let vault: { vault: string; tokenFile: string; caFile: string };
/** What the service shows, and what it has signed over. */
let shown: string[];
let signed: string[];
let signer = honest;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-follower-'));
  const { ca, ...tls } = createTlsFiles('localhost');
  server = createServer(tls, (request, response) => {
    void answer(request.url ?? '').then((body) => response.end(JSON.stringify(body)));
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca')];
  await writeFile(tokenFile, 'token');
  await writeFile(caFile, ca);
  vault = { vault: `https://localhost:${port}`, tokenFile, caFile };
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  shown = [0, 1, 2].map((sequence) => entryOf(sequence));
  signed = [...shown];
  signer = honest;
});

async function answer(path: string): Promise<object> {
  const url = new URL(path, 'https://localhost');
  if (url.pathname === '/audit/entries') {
    const from = Number(url.searchParams.get('from'));
    return { entries: shown.slice(from, from + Number(url.searchParams.get('limit'))) };
  }
  const tree = createMerkleTree();
  for (const entry of signed) tree.add(leafHash(new TextEncoder().encode(entry)));
  const root = Buffer.from(merkleRoot(tree.size, tree.nodeAt)).toString('hex');
  const head = { v: 1, owner: 'north', size: tree.size, root, at: 5 };
  const header = { typ: AUDIT_HEAD_JWS_TYPE, kid: 'north' };
  return { size: tree.size, head: await signer.sign(canonicalBytes(head), header) };
}

const follow = () => new AuditFollower(vault, author);
const grow = (...entries: string[]) => {
  shown.push(...entries);
  signed = [...shown];
};

describe('an audit log that is followed', () => {
  test('grows, and is handed on as others can check it', async () => {
    const follower = follow();
    expect((await follower.now()).entries).toHaveLength(3);
    grow(entryOf(3, 'key-released'));
    const { entries, copy } = await follower.now();
    expect(entries.map(({ event }) => event)).toEqual([
      ...Array(3).fill('keys-read'),
      'key-released',
    ]);
    expect(copy.entries).toEqual(shown);
    expect(copy.heads).toHaveLength(1);
  });

  test('asked twice at once, is read once', async () => {
    const follower = follow();
    const [one, other] = await Promise.all([follower.now(), follower.now()]);
    expect(one).toBe(other);
    expect(one.copy.entries).toHaveLength(3);
  });

  test.each<[string, () => void]>([
    [
      'rewritten behind its newest head',
      () => {
        shown[1] = entryOf(1, 'random-read');
        grow(entryOf(3));
      },
    ],
    ['cut off', () => grow(...shown.splice(2, 1).slice(1))],
    ['longer than what is shown', () => signed.push(entryOf(3))],
    ['with an entry in a wrong place', () => grow(entryOf(4))],
    [
      'with other entries than were signed',
      () => {
        shown.push(entryOf(3));
        signed.push(entryOf(3, 'random-read'));
      },
    ],
  ])('is broken when it is %s, and stays so', async (_name, lie) => {
    const follower = follow();
    await follower.now();
    lie();
    await expect(follower.now()).rejects.toMatchObject({ code: 'ERR_AUDIT_BROKEN' });
    shown = [0, 1, 2, 3].map((sequence) => entryOf(sequence));
    signed = [...shown];
    await expect(follower.now()).rejects.toMatchObject({ code: 'ERR_AUDIT_BROKEN' });
  });

  test('signed by somebody else is not believed, and the own one is again', async () => {
    const follower = follow();
    signer = signerOf();
    await expect(follower.now()).rejects.toMatchObject({ code: 'ERR_AUDIT_HEAD_INVALID' });
    signer = honest;
    expect((await follower.now()).entries).toHaveLength(3);
  });
});
