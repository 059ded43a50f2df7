import { randomBytes } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import type { QueryId } from '@strongroom/protocol/fields';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, TestStream } from '../../test/owners.ts';
import { sharedTransportKey } from '../../test/rsa-keys.ts';
import { ShareDesk } from './share-desk.ts';
import { Vault } from './vault.ts';

const COLUMNS = [{ name: 'place', type: 'utf8', nullable: false }] as const;
const PLANS = ['east', 'west', 'north'].map((id) => ({ id, relation: id, columns: COLUMNS }));
const QUERY = {
  id: 'all' as QueryId,
  sql: 'SELECT place, count(*) AS n FROM east GROUP BY place',
  relations: ['east'],
  window: { kind: 'whole' as const },
  latenessMs: 0,
};
const HOLDERS = ['owner-east', 'owner-west', 'owner-north'];

/** Two of three owners make any key. */
let computation: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, [QUERY], 1, undefined, false, 2);
}, 60_000);

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('no error'),
    (error: unknown) => (error instanceof StrongroomError ? error : expect.fail(String(error))),
  );

async function openVault() {
  const vault = await Vault.open(computation.signed, { transportKey: sharedTransportKey() });
  const bytes = decodeBase64url(vault.claims().runtimeClaims) ?? new Uint8Array(0);
  const { nonce, keys } = RuntimeClaimsSchema.parse(parseCanonical(bytes));
  const release = async (owner: string, keyId: string) =>
    vault.acceptRelease(owner, keyId, await computation.release(owner, keyId, nonce, keys[0]));
  return { vault, release };
}

const rowsOf = (count: number) => Array.from({ length: count }, () => ({ place: 'here' }));

describe("a vault whose datasets' keys are under shares", () => {
  const accept = async (vault: Vault) => {
    const { headers, ...record } = await new TestStream(computation, 'east').seal(rowsOf(3));
    return await vault.accept('east', [{ ...record, headers, offset: 0 }]);
  };

  test('opens a dataset with the shares of any two, in any order', async () => {
    for (const holders of [
      [0, 1],
      [2, 1],
      [2, 0],
      [1, 0, 2],
    ]) {
      const { vault, release } = await openVault();
      for (const index of holders) await release(HOLDERS[index] ?? '', 'share-of-east');
      expect(await accept(vault)).toMatchObject([{ rows: 3 }]);
      vault.close();
    }
  });

  test('opens nothing with one, and names the others', async () => {
    const { vault, release } = await openVault();
    await release('owner-west', 'share-of-east');
    // Once more, as a holder that would count twice.
    await release('owner-west', 'share-of-east');
    await release('owner-east', 'share-of-west');
    const { code, facts } = await failure(vault.restore([]));
    expect({ code, facts }).toEqual({
      code: 'ERR_KEY_NOT_RELEASED',
      facts: { dataset: 'east', missing: 'owner-east, owner-north' },
    });
    vault.close();
  });

  test('takes the whole key from nobody, its owner neither', async () => {
    const { vault, release } = await openVault();
    const { code } = await failure(release('owner-east', 'kek-east'));
    expect(code).toBe('ERR_RELEASE_INVALID');
    expect((await failure(vault.restore([]))).code).toBe('ERR_KEY_NOT_RELEASED');
    expect(await accept(vault)).toMatchObject([{ code: 'ERR_KEY_NOT_RELEASED', rows: 0 }]);
    vault.close();
  });
});

describe('the desk of shares', () => {
  const shareOf = (dataset: string, party: string) =>
    Uint8Array.from(computation.shared.get(dataset)?.shares.get(party) ?? expect.fail('a share'));
  const kekOf = (dataset: string) =>
    computation.contract.datasets.find(({ id }) => id === dataset)?.id ?? expect.fail('a dataset');

  test.each<[string, (share: Uint8Array) => Uint8Array]>([
    ['one bit is another', (share) => share.map((byte, at) => (at === 0 ? byte ^ 1 : byte))],
    ['it is shorter', (share) => share.slice(1)],
    ['it is longer', (share) => Uint8Array.of(...share, 0)],
    ['it is empty', () => new Uint8Array(0)],
    ['it belongs to another dataset', () => shareOf('west', 'owner-east')],
    ['it belongs to another holder', () => shareOf('east', 'owner-west')],
    ['it is made up', () => new Uint8Array(randomBytes(32))],
  ])('names who brought a wrong share: %s', async (_name, change) => {
    const desk = new ShareDesk(computation.contract);
    const wrong = change(shareOf('east', 'owner-east'));
    const { code, facts } = await failure(desk.accept('owner-east', 'share-of-east', wrong));
    expect({ code, facts }).toMatchObject({
      code: 'ERR_RELEASE_INVALID',
      facts: { party: 'owner-east', dataset: 'east' },
    });
    expect(wrong.every((byte) => byte === 0)).toBe(true);
    // It spoils nothing: the other two are enough.
    await desk.accept('owner-west', 'share-of-east', shareOf('east', 'owner-west'));
    const last = await desk.accept('owner-north', 'share-of-east', shareOf('east', 'owner-north'));
    expect(last?.joined?.dataset.id).toBe('east');
  });

  test('says that a key is no share', async () => {
    const desk = new ShareDesk(computation.contract);
    const share = shareOf('east', 'owner-east');
    expect(await desk.accept('owner-east', 'kek-east', share)).toBeUndefined();
    expect(await desk.accept('analyst', 'share-of-east', share)).toBeUndefined();
    expect(share).toEqual(shareOf('east', 'owner-east'));
  });

  test('joins once, erases every share, and keeps none that comes after', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(HOLDERS, { minLength: 3 }), async (order) => {
        const desk = new ShareDesk(computation.contract);
        const brought = order.map((party) => ({ party, share: shareOf('east', party) }));
        const answers = await Promise.all(
          brought.map(({ party, share }) => desk.accept(party, 'share-of-east', share)),
        );
        expect(answers.filter((answer) => answer?.joined)).toHaveLength(1);
        expect(brought.every(({ share }) => share.every((byte) => byte === 0))).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  test('forgets what lies on it when the contract has ended', async () => {
    const desk = new ShareDesk(computation.contract);
    const share = shareOf('east', 'owner-east');
    await desk.accept('owner-east', 'share-of-east', share);
    expect(desk.missing(kekOf('east'))).toBe('owner-west, owner-north');
    desk.destroy();
    expect(share.every((byte) => byte === 0)).toBe(true);
  });

  test('refuses shares that were split from something else than was agreed', async () => {
    const changed = changedContract((dataset) => {
      const other = computation.contract.datasets[1]?.keyShares;
      if (other) dataset.keyShares.wrappedKey = other.wrappedKey;
    });
    const desk = new ShareDesk(changed);
    await desk.accept('owner-west', 'share-of-east', shareOf('east', 'owner-west'));
    const joining = desk.accept('owner-east', 'share-of-east', shareOf('east', 'owner-east'));
    expect(codeOf(await failure(joining))).toBe('ERR_KEY_SHARES_INVALID');
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a copy whose members a test sets
function changedContract(change: (dataset: any) => void): Contract {
  const copy = JSON.parse(JSON.stringify(computation.contract));
  change(copy.datasets[0]);
  return parseContract(copy);
}
