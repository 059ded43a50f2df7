import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The program as it is started by people, as a process of its own. */

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function spawnProgram(args: readonly string[]) {
  const command = ['--conditions=strongroom:source', MAIN, ...args];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (part) => {
    output.stdout += part;
  });
  child.stderr.on('data', (part) => {
    output.stderr += part;
  });
  return { child, output };
}

export async function exitCode(child: ChildProcess): Promise<unknown> {
  return child.exitCode ?? child.signalCode ?? (await once(child, 'exit'))[0];
}

/** Resolves when it listens. */
export async function startProgram(args: readonly string[]) {
  const running = spawnProgram(args);
  for (let turn = 0; turn < 1_200 && running.child.exitCode === null; turn += 1) {
    const line = running.output.stderr.split('\n').find((each) => each.includes('"listening"'));
    if (line !== undefined) return { ...running, url: new URL(JSON.parse(line).url).origin };
    await sleep(25);
  }
  throw new Error(`not started: ${running.output.stderr}`);
}
