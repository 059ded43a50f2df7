import { afterEach, expect, test, vi } from 'vitest';
import { agreeOn } from '../../test/owners.ts';
import { DoorKeeper } from './door-keeper.ts';
import type { OpenedEntries } from './intake.ts';
import { Vault } from './vault.ts';

afterEach(() => void vi.restoreAllMocks());

async function openKeeper(): Promise<DoorKeeper> {
  const columns = [{ name: 'a', type: 'int32', nullable: false }] as const;
  const query = { id: 'all' as never, sql: 'SELECT count(*) AS n FROM visits' };
  const whole = { relations: ['visits'], window: { kind: 'whole' as const }, latenessMs: 0 };
  const plan = { id: 'north', relation: 'visits', columns };
  const { signed } = await agreeOn([plan], [{ ...query, ...whole }]);
  const keeper = new DoorKeeper();
  await keeper.serve({ verb: 'open', request: { contract: signed, memoryMb: 128 } }, []);
  return keeper;
}

const soon = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Openings that end when the test says so, and what each request was then accepted with. */
function watchVault() {
  const openings: { offset: number; end: (opened: OpenedEntries) => void }[] = [];
  const accepted: [offset: number, ahead: OpenedEntries | undefined][] = [];
  vi.spyOn(Vault.prototype, 'openAhead').mockImplementation((_dataset, [first]) => {
    const { promise, resolve } = Promise.withResolvers<OpenedEntries>();
    openings.push({ offset: first?.offset ?? -1, end: resolve });
    return promise;
  });
  vi.spyOn(Vault.prototype, 'accept').mockImplementation(async (_dataset, [first], _at, ahead) => {
    accepted.push([first?.offset ?? -1, ahead]);
    return [];
  });
  return { openings, accepted };
}

function acceptOf(offset: number) {
  const entries = [{ key: null, headers: {}, offset }];
  return { verb: 'accept', request: { dataset: 'north', entries } };
}

test('records of two requests are opened before their turn, one after the other', async () => {
  const keeper = await openKeeper();
  const { openings, accepted } = watchVault();
  const answers = [0, 1, 2].map((offset) => keeper.begin(acceptOf(offset), [new Uint8Array(1)]));
  await soon();
  expect(openings.map(({ offset }) => offset)).toEqual([0]);
  openings[0]?.end([]);
  await soon();
  expect(openings.map(({ offset }) => offset)).toEqual([0, 1]);
  const second: OpenedEntries = [];
  openings[1]?.end(second);
  for (const answer of answers) await answer();
  expect(openings).toHaveLength(2);
  expect(accepted.map(([offset]) => offset)).toEqual([0, 1, 2]);
  expect(accepted[1]?.[1]).toBe(second);
  // There was no room for the third: what opens it is its own turn.
  expect(accepted[2]?.[1]).toBeUndefined();
});

test('a turn that has come makes room for the next request', async () => {
  const keeper = await openKeeper();
  const { openings, accepted } = watchVault();
  for (const offset of [0, 1, 2, 3]) {
    const answer = keeper.begin(acceptOf(offset), [new Uint8Array(1)]);
    await soon();
    openings[offset]?.end([]);
    await answer();
  }
  expect(openings.map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
  expect(accepted.every(([, ahead]) => ahead !== undefined)).toBe(true);
});

test('nothing is opened before there is a vault', async () => {
  const { openings } = watchVault();
  const { message, fatal } = await new DoorKeeper().serve(acceptOf(0), [new Uint8Array(1)]);
  expect(message).toMatchObject({ error: { code: 'ERR_VAULT_LOST' } });
  expect(fatal).toBe(false);
  expect(openings).toEqual([]);
});
