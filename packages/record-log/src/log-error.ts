/**
 * Errors of this package carry the codes of the protocol's table without loading it: this package
 * knows bytes and nothing of what they mean. The testkit checks that the texts are the table's.
 */
const USAGE = 2;
const UNAVAILABLE = 69;
const BAD_DATA = 65;
const REFUSED = 77;

export const LOG_ERRORS = {
  ERR_USAGE: {
    exitCode: USAGE,
    expected: 'the command expects other arguments',
    remedy: 'Run it with --help and correct the argument that is named.',
  },
  ERR_LOG_UNREACHABLE: {
    exitCode: UNAVAILABLE,
    expected: 'a Kafka broker is expected to answer at the bootstrap servers',
    remedy: 'Check KAFKA_BROKERS, or start one: `strongroom kafka start`.',
  },
  ERR_LOG_FAILED: {
    exitCode: UNAVAILABLE,
    expected: 'the log is expected to accept and return records',
    remedy: "Look at the broker's log; the client is rebuilt and tries again.",
  },
  ERR_LOG_FENCED: {
    exitCode: REFUSED,
    expected: 'one worker at a time is expected to write the results of a contract',
    remedy: 'Another worker has taken over; this one stops.',
  },
  ERR_LOG_REFUSED: {
    exitCode: UNAVAILABLE,
    expected:
      'the log is expected to prove its name, to know this client and to let it do its work',
    remedy: 'Check certificates, password and ACLs: docs/kafka.md says what each role needs.',
  },
  ERR_KAFKA_CONFIG: {
    exitCode: REFUSED,
    expected: "the log's address and settings are expected under Kafka's names, and to be known",
    remedy: 'Correct the setting or the line that is named; docs/kafka.md lists all of them.',
  },
  ERR_LIMIT_EXCEEDED: {
    exitCode: BAD_DATA,
    expected: 'every size and count is expected to stay under its named limit',
    remedy: 'Make the input smaller; the limit that was met is named.',
  },
  ERR_PORT_UNAVAILABLE: {
    exitCode: UNAVAILABLE,
    expected: 'the host and port are expected to be free to listen on',
    remedy: 'Choose another --port or --host, or stop the process that holds it.',
  },
  ERR_KAFKA_UNAVAILABLE: {
    exitCode: REFUSED,
    expected: 'a Kafka broker, Java 17 with Maven, or a Docker engine is expected on this machine',
    remedy: 'Set KAFKA_BROKERS to a running broker, install Java 17 and Maven, or start Docker.',
  },
} as const;

export type LogErrorCode = keyof typeof LOG_ERRORS;
/** Names, limits and counts; never a part of a record. */
export type LogErrorFacts = Readonly<Record<string, string | number>>;

const UNAUTHORIZED = /^[A-Z_]+_AUTHORIZATION_FAILED$/;

/** Whether Kafka's name of an error says that an ACL is missing; no other refusal it would mend. */
export function isMissingRight(reason: unknown): boolean {
  return typeof reason === 'string' && UNAUTHORIZED.test(reason);
}

export class LogError extends Error {
  readonly code: LogErrorCode;
  readonly facts: LogErrorFacts;

  constructor(code: LogErrorCode, facts: LogErrorFacts = {}) {
    const { expected, remedy } = LOG_ERRORS[code];
    const shown = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
    super(`${expected}${shown.length > 0 ? ` (${shown.join(', ')})` : ''}. ${remedy}`);
    this.name = 'LogError';
    this.code = code;
    this.facts = facts;
  }

  get exitCode(): number {
    return LOG_ERRORS[this.code].exitCode;
  }

  toJSON() {
    const { expected, remedy } = LOG_ERRORS[this.code];
    return { code: this.code, expected, remedy, facts: this.facts };
  }
}
