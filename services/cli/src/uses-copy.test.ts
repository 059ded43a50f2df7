import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UsesCopy } from '@strongroom/protocol/proof-bundle';
import { usesTopic } from '@strongroom/protocol/record';
import type { LogRecord } from '@strongroom/record-log/log';
import { compareUses, type UseChain } from '@strongroom/sealing/use-chain';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside } from '../test/run-strongroom.ts';
import {
  createUsesScene,
  Ledgers,
  NORTH,
  SOUTH,
  startVault,
  type UsesScene,
} from '../test/uses-scene.ts';
import { readUses } from './read-uses.ts';
import { copyOf, readCopy } from './uses-copy.ts';

let scene: UsesScene;
/** What each owner reads, and what it shows to the other. */
let chains: Map<string, UseChain>;
let copies: Map<string, UsesCopy>;

beforeAll(async () => {
  scene = await createUsesScene();
  const life = await startVault(scene);
  const ledgers = new Ledgers(scene);
  const steps = [];
  for (let step = 0; step < 3; step += 1) steps.push(await ledgers.step(life, 0));
  [chains, copies] = [new Map(), new Map()];
  for (const owner of [NORTH, SOUTH]) {
    const entries = steps.map((records) => records.get(owner) ?? expect.fail('an entry'));
    const uses = await usesOf(owner, [life.proofRecord, ...entries]);
    chains.set(owner, uses.chain);
    // As it travels: a file.
    copies.set(owner, JSON.parse(JSON.stringify(copyOf(uses, scene.authors))));
  }
}, 60_000);

async function usesOf(owner: typeof NORTH, records: readonly LogRecord[]) {
  const log = createMemoryLog();
  const topic = usesTopic(scene.contractId, owner);
  await log.createTopics([{ topic }]);
  await log.append(topic, records);
  const secretReader = scene.identities.get(owner)?.reader ?? expect.fail('it reads');
  return await readUses(log, { id: owner, secretReader }, { ...scene.authors, namespace: '' });
}

const copy = (owner: string = NORTH) => copies.get(owner) ?? expect.fail('a copy');
const chain = (owner: string = NORTH) => chains.get(owner) ?? expect.fail('a chain');

describe('what an owner shows of its ledger of uses', () => {
  test('verifies for others as the log does for the owner', async () => {
    const read = await readCopy(copy(), scene.authors);
    expect([read.owner, read.length, read.head]).toEqual([NORTH, 3, chain().head]);
    expect(compareUses(chain(SOUTH), read)).toEqual({ agreements: 4, missingInTheirs: 0 });
    expect(compareUses(chain(), read)).toEqual({ agreements: 3, missingInTheirs: 0 });
  });

  test('holds proofs and seals, and no byte of what is sealed', () => {
    expect(Object.keys(copy()).sort()).toEqual(['contract', 'owner', 'proofs', 'seals']);
    expect(copy().proofs).toHaveLength(1);
    expect(copy().seals.every((seal) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(seal))).toBe(true);
  });

  test('that ends early is a copy of then', async () => {
    const earlier = await readCopy({ ...copy(), seals: copy().seals.slice(0, 2) }, scene.authors);
    expect(compareUses(chain(SOUTH), earlier)).toMatchObject({ missingInTheirs: 0 });
    expect(compareUses(chain(), earlier)).toEqual({ agreements: 2, missingInTheirs: 0 });
    const first = await readCopy({ ...copy(), seals: copy().seals.slice(0, 1) }, scene.authors);
    expect(compareUses(chain(SOUTH), first)).toMatchObject({ missingInTheirs: 1 });
  });

  test.each<[string, (honest: UsesCopy) => unknown, string]>([
    ['nothing', () => undefined, 'ERR_USE_INVALID'],
    ['an unknown member', (honest) => ({ ...honest, more: 1 }), 'ERR_USE_INVALID'],
    ['no seals', ({ seals: _seals, ...rest }) => rest, 'ERR_USE_INVALID'],
    ['a contract that is none', (honest) => ({ ...honest, contract: 'x' }), 'ERR_USE_INVALID'],
    [
      'another contract',
      (honest) => ({ ...honest, contract: '0'.repeat(64) }),
      'ERR_CONTRACT_MISMATCH',
    ],
    ['nobody', (honest) => ({ ...honest, owner: 'nobody' }), 'ERR_PARTY_UNKNOWN'],
    [
      'an owner without a ledger',
      (honest) => ({ ...honest, owner: 'silent' }),
      'ERR_PARTY_UNKNOWN',
    ],
    ['another owner', (honest) => ({ ...honest, owner: SOUTH }), 'ERR_USE_INVALID'],
    ['no proof', (honest) => ({ ...honest, proofs: [] }), 'ERR_AGGREGATE_PROOF'],
    ['a proof that is none', (honest) => ({ ...honest, proofs: ['!'] }), 'ERR_AGGREGATE_PROOF'],
    ['a seal that is none', (honest) => ({ ...honest, seals: ['x'] }), 'ERR_USE_INVALID'],
    [
      'a seal without its signature',
      (honest) => ({ ...honest, seals: honest.seals.map((seal) => seal.replace(/[^.]+$/, '')) }),
      'ERR_USE_INVALID',
    ],
    ['a gap', (honest) => ({ ...honest, seals: honest.seals.toSpliced(1, 1) }), 'ERR_USES_BROKEN'],
    [
      'another order',
      (honest) => ({ ...honest, seals: honest.seals.toReversed() }),
      'ERR_USES_BROKEN',
    ],
  ])('is refused with %s', async (_name, change, code) => {
    await expect(readCopy(change(copy()), scene.authors)).rejects.toMatchObject({ code });
  });

  test('with any character of its seals changed is refused', async () => {
    const { seals } = copy();
    const [first = ''] = seals;
    for (let at = 0; at < first.length; at += 41) {
      const other = first[at] === 'A' ? 'B' : 'A';
      const changed = `${first.slice(0, at)}${other}${first.slice(at + 1)}`;
      await expect(
        readCopy({ ...copy(), seals: seals.with(0, changed) }, scene.authors),
      ).rejects.toThrow();
    }
  });
});

describe('strongroom uses', () => {
  let folder: string;
  let roots: string;
  beforeAll(async () => {
    roots = (await sharedTestPlatform()).folder;
    folder = await mkdtemp(join(tmpdir(), 'strongroom-uses-'));
    await writeFile(join(folder, 'contract'), JSON.stringify(scene.signed));
    for (const [id, json] of scene.identityJson) {
      await writeFile(join(folder, id), json, { mode: 0o600 });
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  const uses = (identity: string, ...more: string[]) => {
    const [contract, file] = [join(folder, 'contract'), join(folder, identity)];
    const files = ['--contract', contract, '--identity', file, '--simulated-roots', roots];
    return inside('uses', ...files, ...more);
  };

  test('tells an owner without a reading key that it has no ledger', async () => {
    expect(await uses('silent', '--brokers', 'localhost:1')).toMatchObject({
      code: 'ERR_USES_ABSENT',
      facts: { party: 'silent' },
    });
  });

  test('needs to know where the log is', async () => {
    expect(await uses('north', '--brokers', 'nowhere')).toMatchObject({
      exitCode: 2,
      code: 'ERR_USAGE',
    });
  });

  test("refuses another owner's copy before it reads anything", async () => {
    await writeFile(join(folder, 'copy'), JSON.stringify({ ...copy(SOUTH), proofs: [] }));
    const compared = uses('north', '--brokers', 'localhost:1', '--compare', join(folder, 'copy'));
    expect((await compared).code).toBe('ERR_AGGREGATE_PROOF');
  });
});
