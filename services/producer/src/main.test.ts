import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn } from '../test/publish-fixtures.ts';
import { datasetOf, fileWith, temporaryFolder } from '../test/source-fixtures.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const agreed = await agreeOn(datasetOf(['seen timestamp-ms', 'n int32'], 'seen'));
const contract = fileWith(folder.path, 'contract.json', JSON.stringify(agreed.signedContract));
const identity = fileWith(folder.path, 'identity.json', agreed.ownerJson);
const CSV = 'seen,n\n2001-01-01,1\n2001-01-02,2\n2001-01-03,3\n';
const source = fileWith(folder.path, 'rows.csv', CSV);
const state = join(folder.path, 'state');
/** Nothing listens there (RFC 6335: a reserved port). */
const NOWHERE = '127.0.0.1:1';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

function start(...args: string[]): ChildProcess {
  const command = ['--conditions=strongroom:source', MAIN, 'publish', ...args];
  return spawn(process.execPath, command, { stdio: 'pipe' });
}

async function outcomeOf(child: ChildProcess) {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (text) => {
    stdout += text;
  });
  child.stderr?.on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

const what = ['--contract', contract, '--dataset', 'measured'];
const whole = [...what, '--identity', identity, '--state', state, '--brokers', NOWHERE];

describe('strongroom producer publish', () => {
  test('--dry-run says what would be published, for people and for programs', async () => {
    const shown = await outcomeOf(start(...what, '--source', source, '--dry-run'));
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain('3 rows in 1 batch');
    expect(shown.stdout).toContain('2001-01-01T00:00:00.000Z');
    const line = await outcomeOf(start(...what, '--source', source, '--dry-run', '--json'));
    expect(JSON.parse(line.stdout)).toMatchObject({
      dataset: 'measured',
      format: 'csv',
      rows: 3,
      batches: 1,
      eventTime: { min: Date.UTC(2001, 0, 1), max: Date.UTC(2001, 0, 3) },
    });
  });

  test('reads standard input, which is a socket here', async () => {
    const child = start(...what, '--source', '-', '--dry-run', '--json');
    child.stdin?.end(CSV);
    const { code, stdout } = await outcomeOf(child);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ rows: 3 });
  });

  test('ends with an error although nobody ends its standard input', async () => {
    const child = start(...what, '--source', '-', '--dry-run');
    child.stdin?.on('error', () => undefined);
    child.stdin?.write(`seen,n,more\n${'2001-01-01,1,2\n'.repeat(10_000)}`);
    const { code, stderr } = await outcomeOf(child);
    expect(code).toBe(77);
    expect(stderr).toContain('ERR_COLUMN_UNKNOWN');
  });

  test('says why it refuses, without the row, and ends with the code of the error', async () => {
    const bad = fileWith(folder.path, 'bad.csv', 'seen,n\n2001-01-01,secret\n');
    const { code, stdout, stderr } = await outcomeOf(
      start(...what, '--source', bad, '--dry-run', '--json'),
    );
    expect({ code, stdout }).toEqual({ code: 77, stdout: '' });
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'ERR_COLUMN_TYPE',
      facts: { column: 'n', expectedType: 'int32', row: 1 },
    });
    expect(stderr).not.toContain('secret');
  });

  test('leaves no trace when the log cannot be reached', async () => {
    const { code, stderr } = await outcomeOf(start(...whole, '--source', source));
    expect(code).toBe(69);
    expect(stderr).toMatch(/^error ERR_LOG_UNREACHABLE: /m);
    expect(existsSync(state)).toBe(false);
  });

  test.each([
    ['without --state', [...what, '--identity', identity, '--brokers', NOWHERE], '--state'],
    ['with a wrong number', [...whole, '--batch-rows', '0'], '--batch-rows'],
    ['with too large a number', [...whole, '--batch-bytes', '1000000'], '--batch-bytes'],
    ['with an unknown format', [...whole, '--format', 'xml'], '--format'],
    ['with an unknown option', [...whole, '--quick'], '--quick'],
  ])('is a usage error %s', async (_name, args, named) => {
    const { code, stderr } = await outcomeOf(start(...args, '--source', source));
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error ERR_USAGE: /m);
    expect(stderr).toContain(named);
  });
});
