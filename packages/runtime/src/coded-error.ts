/**
 * Errors of this package carry the codes of the protocol's table without loading it: this package
 * lies under every other one. The testkit checks that the texts here are the table's.
 */

/** What is known of an error by its shape: the protocol's errors and ours look like this. */
export interface CodedError extends Error {
  readonly code: string;
  readonly exitCode: number;
  toJSON(): {
    readonly code: string;
    readonly expected: string;
    readonly remedy: string;
    readonly facts: Readonly<Record<string, unknown>>;
  };
}

export function isCodedError(thrown: unknown): thrown is CodedError {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    typeof thrown.code === 'string' &&
    'exitCode' in thrown &&
    typeof thrown.exitCode === 'number' &&
    'toJSON' in thrown &&
    typeof thrown.toJSON === 'function'
  );
}

/**
 * 2 is called wrongly; after sysexits 65 is damaged, 69 may succeed later, 77 needs a person. What
 * an owner has ended has a number of its own behind them, which the protocol gives.
 */
const MISUSED = 2;
const DAMAGED = 65;
const UNAVAILABLE = 69;
const REFUSED = 77;

export const RUNTIME_ERRORS = {
  ERR_USAGE: {
    exitCode: MISUSED,
    expected: 'the command expects other arguments',
    remedy: 'Run it with --help and correct the argument that is named.',
  },
  ERR_CONFIG_INVALID: {
    exitCode: REFUSED,
    expected: 'the configuration holds a missing or unknown value',
    remedy: 'Correct the setting that is named; --help lists all of them.',
  },
  ERR_FILE_UNREADABLE: {
    exitCode: REFUSED,
    expected: 'the file is expected to exist and to be readable',
    remedy: 'Check the path and its permissions.',
  },
  ERR_FILE_UNWRITABLE: {
    exitCode: REFUSED,
    expected: 'the file or folder is expected to be writable',
    remedy: 'Check the path and its permissions.',
  },
  ERR_DISK_FULL: {
    exitCode: UNAVAILABLE,
    expected: 'the disk is expected to have room for what is about to be written',
    remedy:
      'Free space and start again: nothing was half published, no row is skipped or repeated, ' +
      'and a file that was cut off is written anew.',
  },
  ERR_JSON_MALFORMED: {
    exitCode: DAMAGED,
    expected: 'the document is expected to be valid JSON without repeated members',
    remedy: 'Regenerate the document with the tool that made it.',
  },
  ERR_PORT_UNAVAILABLE: {
    exitCode: UNAVAILABLE,
    expected: 'the host and port are expected to be free to listen on',
    remedy:
      'Choose another --port (0: any that is free) or --host, or stop the process that holds it.',
  },
} as const;

export class RuntimeError extends Error implements CodedError {
  readonly code: keyof typeof RUNTIME_ERRORS;
  readonly facts: Readonly<Record<string, string | number>>;

  constructor(code: keyof typeof RUNTIME_ERRORS, facts: Readonly<Record<string, string | number>>) {
    const { expected, remedy } = RUNTIME_ERRORS[code];
    super(`${expected}${factsInBrackets(facts)}. ${remedy}`);
    this.name = 'RuntimeError';
    this.code = code;
    this.facts = facts;
  }

  get exitCode(): number {
    return RUNTIME_ERRORS[this.code].exitCode;
  }

  toJSON() {
    const { expected, remedy } = RUNTIME_ERRORS[this.code];
    return { code: this.code, expected, remedy, facts: this.facts };
  }
}

export function factsInBrackets(facts: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(facts).map(([name, value]) => `${name}: ${String(value)}`);
  return shown.length > 0 ? ` (${shown.join(', ')})` : '';
}

/** The `code` of an operating-system error (ENOENT, EADDRINUSE), '' when there is none. */
export function systemCodeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : '';
}
