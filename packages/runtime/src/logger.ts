import { pino } from 'pino';

/**
 * A log line is one event name and fields of a closed list: what is not on the list cannot be
 * logged, so a row, a key or a token has no field to hide in. Lines are JSON on stderr.
 */

/**
 * Every field that a log line may have, and what its value is. Text is short and has one line.
 * docs/observability.md says what each means; a test compares.
 */
export const LOG_FIELDS = {
  attempt: 'number',
  code: 'text',
  contract: 'text',
  count: 'number',
  dataset: 'text',
  emission: 'number',
  epoch: 'number',
  folders: 'text',
  method: 'text',
  milliseconds: 'number',
  name: 'text',
  offset: 'number',
  partition: 'number',
  party: 'text',
  platform: 'text',
  port: 'number',
  query: 'text',
  reason: 'text',
  right: 'text',
  route: 'text',
  rows: 'number',
  sequence: 'number',
  span_id: 'text',
  state: 'text',
  status: 'number',
  stream: 'text',
  successor: 'text',
  topic: 'text',
  trace_id: 'text',
  url: 'url',
} as const satisfies Record<string, 'text' | 'number' | 'url'>;

type ValueOf<Kind> = Kind extends 'number' ? number : string;

export type LogFields = {
  readonly [Name in keyof typeof LOG_FIELDS]?: ValueOf<(typeof LOG_FIELDS)[Name]> | undefined;
};

export interface Logger {
  /** `event` is a constant in kebab-case, never a sentence that is put together. */
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export interface LoggerOptions {
  /** One of `LOG_LEVELS`; anything else counts as the default, `info`. */
  readonly level?: string;
  /** Default: stderr, because stdout carries a command's data. */
  readonly destination?: NodeJS.WritableStream;
}

export function createLogger(service: string, options: LoggerOptions = {}): Logger {
  const level = LOG_LEVELS.find((known) => known === options.level) ?? 'info';
  const sink = pino(
    {
      level,
      base: { service },
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? pino.destination({ fd: 2, sync: true }),
  );
  const write = (severity: 'debug' | 'info' | 'warn' | 'error') => {
    return (event: string, fields: LogFields = {}) =>
      sink[severity](allowedFields(fields), eventName(event));
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

const EVENT_NAME = /^[a-z][a-z0-9-]{0,63}$/;
const TEXT_CHARACTERS_MAX = 200;

/** An event that is no constant (a message put together from data) is not written. */
function eventName(event: string): string {
  return EVENT_NAME.test(event) ? event : 'event-name-refused';
}

/** Types end at run time: fields are filtered again here, so that no `as` opens a way out. */
function allowedFields(fields: LogFields): Record<string, string | number> {
  const allowed: Record<string, string | number> = {};
  for (const [name, value] of Object.entries<unknown>(fields)) {
    const kind = Object.hasOwn(LOG_FIELDS, name) ? kindOf(name) : undefined;
    if (kind === 'number' && typeof value === 'number') allowed[name] = value;
    if (kind === 'text' && typeof value === 'string') allowed[name] = shortText(value);
    if (kind === 'url' && typeof value === 'string') allowed[name] = shortText(bareUrl(value));
  }
  return allowed;
}

function kindOf(name: string): 'text' | 'number' | 'url' | undefined {
  return Object.entries(LOG_FIELDS).find(([known]) => known === name)?.[1];
}

/** Long or many-lined text is not cut but replaced: a prefix of a secret is a secret. */
export function shortText(text: string): string {
  const printable = text.length <= TEXT_CHARACTERS_MAX && !/\p{Cc}/u.test(text);
  return printable ? text : `[${text.length} characters]`;
}

/** Scheme, host and path: user names, queries and fragments may carry tokens. */
function bareUrl(text: string): string {
  const url = URL.parse(text);
  return url === null ? '[not a URL]' : `${url.protocol}//${url.host}${url.pathname}`;
}
