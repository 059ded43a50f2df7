import { describe, expect, test } from 'vitest';
import { ERRORS, EXIT_CODE_ENDED, isErrorCode, StrongroomError } from './errors.ts';

const codes = Object.keys(ERRORS).filter(isErrorCode);
const exitOf = (code: (typeof codes)[number]) => new StrongroomError(code).exitCode;

describe('what a command ends with', () => {
  test('tells what an owner has ended from all else, so that a supervisor leaves it', () => {
    const ended = codes.filter((code) => exitOf(code) === EXIT_CODE_ENDED);
    expect(ended.sort()).toEqual(['ERR_CONTRACT_REVOKED', 'ERR_CONTRACT_SUPERSEDED']);
    expect(exitOf('ERR_LEASE_LOST')).toBe(69);
    expect(exitOf('ERR_SLICE_TAKEN')).toBe(77);
  });

  test('is one of five', () => {
    expect([...new Set(codes.map(exitOf))].sort((one, other) => one - other)).toEqual([
      ...[2, 65, 69, 77, EXIT_CODE_ENDED],
    ]);
  });
});
