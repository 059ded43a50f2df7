import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimulatedPlatform } from '@strongroom/attestation/insecure';
import { codeOf } from '@strongroom/protocol/errors';
import { REVOCATION_LIST_BYTES_MAX } from '@strongroom/protocol/limits';
import { parseSavedResult, writeSavedResult } from '@strongroom/protocol/saved-result';
import { systemClock } from '@strongroom/runtime/clock';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { type AttestedScene, createAttestedScene } from '../test/attested-scene.ts';
import { DAY_MS } from '../test/scene.ts';
import { verify } from './saved-command.ts';
import { checkedWords, checkSavedResult, createRecordShelf } from './saved-result.ts';

/** Revocation lists in a saved result: what they add, and when they no longer do. */

let attested: AttestedScene;
let file: string;
let listOf: SimulatedPlatform['revocationList'];
const now = systemClock.now();

beforeAll(async () => {
  attested = await createAttestedScene();
  listOf = attested.platform.revocationList;
  file = await savedBy(attested);
}, 60_000);

async function savedBy({ scene, worker }: AttestedScene): Promise<string> {
  const [shelf, started] = [createRecordShelf(), await worker()];
  shelf.add(started.tokenRecord);
  return shelf.fileOf([await started.seal()], JSON.parse(scene.signedText)) ?? '';
}

const withLists = (...revocationLists: Uint8Array[]) =>
  writeSavedResult({ ...parseSavedResult(file), revocationLists });

const check = (
  text: string,
  { later = 0, own = [] as Uint8Array[], roots = attested.roots } = {},
) =>
  checkSavedResult(text, {
    clock: { now: () => systemClock.now() + later, monotonic: () => 0 },
    rootsFor: () => roots,
    revocationLists: own,
  });

async function told(...asked: Parameters<typeof check>) {
  try {
    const { proven, notProven } = checkedWords(await check(...asked));
    const revoked = proven.find(([label]) => label === 'revoked')?.[1] ?? '';
    return [revoked, ...notProven.filter((text) => text.includes('revoked'))].join(' | ');
  } catch (error) {
    return [codeOf(error), Object(error).facts.check].join(' ');
  }
}

const day = (at: number) => new Date(at).toISOString().slice(0, 10);

describe('of a saved result', () => {
  test('without a list it is said what is not known', async () => {
    expect(await told(file)).toMatch(
      /^no list was given: .* \| That no authority .* came along\.$/,
    );
  });

  test('a list that came along says of which day it is, and how many it revokes', async () => {
    const thisUpdate = now - 2 * DAY_MS;
    const list = listOf('Genoa', { thisUpdate, revoked: ['asvk'] });
    const text = `checked against the list of ${day(thisUpdate)}, 1 revoked`;
    expect(await told(withLists(list))).toBe(text);
    const { proof } = await check(withLists(list));
    expect(proof.revocationList?.bytes).toEqual(list);
  });

  test('a list that has ended since still counts, and says until when', async () => {
    const nextUpdate = now + DAY_MS;
    const list = listOf('Genoa', { thisUpdate: now, nextUpdate });
    expect(await told(withLists(list), { later: 4_000 * DAY_MS })).toMatch(
      new RegExp(`0 revoked, which ended on ${day(nextUpdate)} .* since ${day(nextUpdate)}`),
    );
  });

  test('of several lists each counts, and the newest is told', async () => {
    const [old, recent] = [now - 9 * DAY_MS, now - DAY_MS];
    const own = [listOf('Genoa', { thisUpdate: recent })];
    expect(await told(withLists(listOf('Genoa', { thisUpdate: old })), { own })).toContain(
      `of ${day(recent)}, 0 revoked`,
    );
    const revoking = [listOf('Genoa', { revoked: ['ask'] })];
    expect(await told(withLists(...own), { own: revoking })).toBe('ERR_CERTIFICATE_CHAIN revoked');
  });

  test.each([
    ['revokes', () => listOf('Genoa', { revoked: ['ask'] }), 'revoked'],
    ['is of another product', () => listOf('Milan'), 'crl-missing'],
    ['the wrong key has signed', () => listOf('Genoa', { signedByAsk: true }), 'crl-signature'],
    ['is of tomorrow', () => listOf('Genoa', { thisUpdate: now + DAY_MS }), 'crl-not-yet-valid'],
    [
      'had ended before the worker began',
      () => listOf('Genoa', { thisUpdate: now - 9 * DAY_MS, nextUpdate: now - 8 * DAY_MS }),
      'crl-expired',
    ],
    ['is none', () => new Uint8Array([48, 0]), 'crl-form'],
  ])('a list that %s refuses', async (_name, list, why) => {
    expect(await told(withLists(list()))).toBe(`ERR_CERTIFICATE_CHAIN ${why}`);
  });

  test('a list that is no list by its size is refused before anybody reads it', async () => {
    const huge = new Uint8Array(REVOCATION_LIST_BYTES_MAX + 1);
    expect(await told(withLists(huge))).toMatch(/^ERR_SAVED_RESULT/);
  });

  test('the command takes lists from files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-lists-'));
    const fileWith = async (name: string, content: string | Uint8Array) => {
      await writeFile(join(folder, name), content);
      return join(folder, name);
    };
    const saved = await fileWith('saved.json', file);
    const list = await fileWith('Genoa.crl', listOf('Genoa'));
    const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      await verify(saved, { revocationList: [list], json: true }, attested.roots);
      const { proven } = JSON.parse(String(printed.mock.calls[0]?.[0]));
      expect(proven).toContainEqual(['revoked', expect.stringMatching(/, 0 revoked$/)]);
      const absent = verify(saved, { revocationList: [join(folder, 'no.crl')] }, attested.roots);
      await expect(absent).rejects.toMatchObject({ code: 'ERR_FILE_UNREADABLE' });
      const huge = await fileWith('huge.crl', new Uint8Array(REVOCATION_LIST_BYTES_MAX + 1));
      const refused = verify(saved, { revocationList: [huge] }, attested.roots);
      await expect(refused).rejects.toMatchObject({ code: 'ERR_LIMIT_EXCEEDED' });
    } finally {
      printed.mockRestore();
      await rm(folder, { recursive: true });
    }
  });

  test('a contract that demands a list has it from the file', async () => {
    const strict = await createAttestedScene({ revocationList: 'required' });
    const saved = await savedBy(strict);
    const with1 = (revocationLists: Uint8Array[]) =>
      writeSavedResult({ ...parseSavedResult(saved), revocationLists });
    expect(await told(saved)).toMatch(/^ERR_APPRAISAL_REFUSED/);
    expect(await told(with1([listOf('Genoa')]))).toContain('0 revoked');
  });
});
