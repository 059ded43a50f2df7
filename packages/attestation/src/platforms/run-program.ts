import { execFile } from 'node:child_process';
import { StrongroomError } from '@strongroom/protocol/errors';

/** Runs a program to its end, without a shell. @returns what it printed */
export type RunProgram = (program: string, args: readonly string[]) => Promise<Uint8Array>;

const RUN_MS_MAX = 30_000;
const PRINTED_BYTES_MAX = 65_536;

/** @throws ERR_PLATFORM_UNAVAILABLE with the program's name; what it prints on errors stays here */
export const runProgram: RunProgram = (program, args) =>
  new Promise((resolve, reject) => {
    const limits = { timeout: RUN_MS_MAX, maxBuffer: PRINTED_BYTES_MAX };
    execFile(program, [...args], { ...limits, encoding: 'buffer' }, (error, printed) => {
      if (error === null) return resolve(new Uint8Array(printed));
      const check = error.code === 'ENOENT' ? 'program-missing' : 'program-failed';
      reject(new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check, program }));
    });
  });
