import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { codeOf } from '@strongroom/protocol/errors';
import { beforeAll, describe, expect, test } from 'vitest';
import { createScene, type Scene } from '../test/scene.ts';
import { checkedWords, checkSavedResult, createRecordShelf } from './saved-result.ts';

/** One result in a file: what it proves without a log, and what it refuses. */

let scene: Scene;
let file: string;
let two: string;

beforeAll(async () => {
  scene = await createScene();
  const worker = await scene.worker();
  const shelf = createRecordShelf();
  const result = await worker.seal({ emission: 3 });
  expect(shelf.fileOf([result], JSON.parse(scene.signedText))).toBeUndefined();
  shelf.add(worker.tokenRecord);
  file = shelf.fileOf([result], JSON.parse(scene.signedText)) ?? '';
  const saved = JSON.parse(file);
  two = JSON.stringify({ ...saved, records: [...saved.records, saved.records.at(-1)] });
});

const check = (text: string, identity?: Scene['authority']) =>
  checkSavedResult(text, {
    clock: scene.clock,
    rootsFor: () => AMD_ROOTS,
    ...(identity ? { identity } : {}),
  });
const codeFor = (text: string, identity?: Scene['authority']) =>
  check(text, identity).then(() => 'none', codeOf);
const changed = (change: (saved: ReturnType<typeof JSON.parse>) => void) => {
  const saved = JSON.parse(file);
  change(saved);
  return JSON.stringify(saved);
};

describe('a saved result', () => {
  test('is verified without a key, and its rows stay sealed', async () => {
    const checked = await check(file);
    expect(checked).toMatchObject({ seal: { query: 'daily', emission: 3 } });
    expect(checked).not.toHaveProperty('opened');
    const { proven, notProven } = checkedWords(checked);
    expect(proven).toContainEqual(['code', expect.stringContaining('build 1')]);
    expect(proven).toContainEqual(['rows', expect.stringContaining('sealed to authority')]);
    expect(notProven.join()).toContain('SIMULATED');
  });

  test('is opened by its reader alone', async () => {
    const checked = await check(file, scene.authority);
    expect(checkedWords(checked).proven).toContainEqual(['rows', '2 opened, 1 groups withheld']);
    expect(await codeFor(file, scene.institute)).toBe('ERR_NOT_A_READER');
  });

  test.each([
    ['is no JSON', () => '{', 'ERR_SAVED_RESULT'],
    ['has a member too many', () => changed((saved) => (saved.more = 1)), 'ERR_SAVED_RESULT'],
    [
      'has no base64url',
      () => changed(({ records }) => (records[0].value = '=')),
      'ERR_SAVED_RESULT',
    ],
    ['has two results', () => two, 'ERR_AGGREGATE_INCOMPLETE'],
    [
      'lacks a signature',
      () => changed(({ contract }) => contract.signatures.pop()),
      'ERR_CONTRACT_UNSIGNED',
    ],
    [
      'has another key',
      () => changed(({ records }) => (records[1].key = 'x')),
      'ERR_RECORD_HEADERS',
    ],
    [
      'has another proof',
      () => changed(({ records }) => (records[0].value = 'AAAA')),
      'ERR_AGGREGATE_PROOF',
    ],
    [
      'has other bytes',
      () => changed(({ records }) => (records[1].value = `A${'A'.repeat(63)}`)),
      'ERR_AGGREGATE_MALFORMED',
    ],
  ])('that %s is refused', async (_name, text, code) => {
    expect(await codeFor(text())).toBe(code);
  });
});
