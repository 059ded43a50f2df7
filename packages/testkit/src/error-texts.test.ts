import { ERRORS, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { LOG_ERRORS } from '@strongroom/record-log/log-error';
import { RUNTIME_ERRORS } from '@strongroom/runtime/coded-error';
import { expect, it } from 'vitest';

/** Packages that may not load the table of errors say the same as it. */
it.each(Object.entries({ ...LOG_ERRORS, ...RUNTIME_ERRORS }))(
  '%s is the table’s',
  (code, entry) => {
    const { expected, remedy } = isErrorCode(code) ? ERRORS[code] : {};
    expect(entry).toEqual({
      exitCode: isErrorCode(code) ? new StrongroomError(code).exitCode : undefined,
      expected,
      remedy,
    });
  },
);
