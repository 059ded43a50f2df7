import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { runCommand } from '../src/program.ts';

export const BIN = fileURLToPath(new URL('../bin/strongroom.mjs', import.meta.url));

export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real command as a process of its own, as a shell would. */
export function strongroom(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, KAFKA_BROKERS: '' } };
    execFile(process.execPath, [BIN, ...args], options, (error, stdout, stderr) => {
      const exitCode = typeof error?.code === 'number' ? error.code : error ? -1 : 0;
      resolve({ exitCode, stdout, stderr });
    });
  });
}

/** The same without a process: for the many cases in which only the outcome is looked at. */
export async function strongroomInside(...args: string[]): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  process.exitCode = 0;
  try {
    await runCommand(args);
    return { exitCode: Number(process.exitCode), ...written };
  } finally {
    process.exitCode = 0;
    for (const spy of spies) spy.mockRestore();
  }
}

/** What a command with --json gave: its data, or the code and facts of its error. */
function outcomeOf({ exitCode, stdout, stderr }: Ended) {
  const line = stderr.split('\n').find((each) => each.startsWith('{"error"'));
  const error = line === undefined ? undefined : JSON.parse(line).error;
  const data = stdout.trim() === '' ? undefined : JSON.parse(stdout);
  return { exitCode, data, code: error?.code, facts: error?.facts, stderr };
}

export const inside = async (...args: string[]) =>
  outcomeOf(await strongroomInside(...args, '--json'));
export const outside = async (...args: string[]) => outcomeOf(await strongroom(...args, '--json'));
