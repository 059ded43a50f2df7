import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SINK = fileURLToPath(new URL('byte-sink.ts', import.meta.url));
const SINK_ON_STDOUT = `import { stdoutSink } from ${JSON.stringify(SINK)};
  const sink = stdoutSink(() => process.stderr.write('gone'));
  const say = ({ code }) => process.stderr.write(code);
  for (let at = 0; at < 3; at += 1) await sink.write('x'.repeat(1_000_000)).catch(say);`;
const PROGRAM = ['--conditions=strongroom:source', '--input-type=module', '-e', SINK_ON_STDOUT];

test('results that do not fit on a full disk are an error, and no shorter results', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, PROGRAM, { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  expect(child.stderr && (await text(child.stderr))).toMatch(/^ERR_DISK_FULL/);
});

test('a reader that goes away is told of, and nothing is wrong', async () => {
  const pipe = ['-c', '"$0" "$@" | head -c 1', process.execPath, ...PROGRAM];
  expect((await promisify(execFile)('sh', pipe)).stderr).toMatch(/^gone/);
});
