import { expect, test } from 'vitest';
import { closureOf, readLockfile } from './closure.ts';
import { repositoryPaths } from './source-files.ts';

/**
 * Failpoints are compiled out of production by construction: no file that an entry of production
 * loads, in however many steps, lies in a folder of tests. What they wrap is handed in by entries
 * that only tests start.
 */

/** What an image or a command starts; the simulated platform's entries too. */
const ENTRY = /^services\/[^/]+\/src\/(([a-z]+-)?main|print-measurement)(\.[a-z]+)*\.ts$/;
const OF_TESTS = /(^|\/)test\/|testkit|\.test\.ts$|\.dying\.ts$/;

const entries = repositoryPaths().filter((path) => ENTRY.test(path) && !path.includes('.test.'));

test('the entries are those that run', () => {
  expect(entries).toEqual(
    expect.arrayContaining([
      'services/enclave-worker/src/main.ts',
      'services/enclave-worker/src/main.insecure.ts',
      'services/enclave-worker/src/vault-main.ts',
      'services/key-release/src/main.ts',
      'services/attestation/src/main.ts',
      'services/producer/src/main.ts',
      'services/analyst/src/main.ts',
      'services/cli/src/main.ts',
    ]),
  );
});

test.each(entries)('%s loads no failpoint and nothing of a test', (entry) => {
  const { files } = closureOf([entry], readLockfile());
  expect([...files].filter((path) => OF_TESTS.test(path))).toEqual([]);
});

test('canary: the entry that dies reaches both the failpoints and the worker', () => {
  const { files } = closureOf(['test/faults/worker.dying.ts'], readLockfile());
  expect([...files]).toContain('test/faults/failpoints.ts');
  expect([...files]).toContain('services/enclave-worker/src/start.ts');
});
