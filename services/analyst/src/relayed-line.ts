import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { isErrorCode } from '@strongroom/protocol/errors';
import type { LogEntry } from '@strongroom/record-log/log';

/**
 * What `analyst serve` hands to its page, one line of JSON each: records of the log as they lie
 * there, sealed; that the end of the log was reached; that the log cannot be read. The page
 * believes none of it: it verifies what is in the records, and the order by what the records say.
 */
export type RelayedLine =
  | { readonly kind: 'record'; readonly entry: RelayedEntry }
  | { readonly kind: 'caught-up' }
  | { readonly kind: 'failed'; readonly code: string };

export type RelayedEntry = Omit<LogEntry, 'topic' | 'partition'>;

export function writeRecordLine({ offset, key, headers, value }: RelayedEntry): string {
  return `${JSON.stringify({ offset, key, headers, value: encodeBase64url(value) })}\n`;
}

export function writeEventLine(event: Exclude<RelayedLine, { kind: 'record' }>): string {
  return `${JSON.stringify(event)}\n`;
}

/** @returns undefined for an empty line, which only keeps the connection, and for what is none */
export function readLine(line: string): RelayedLine | undefined {
  const value = parseObject(line);
  if (!value) return undefined;
  const { kind, code, offset, key, headers } = value;
  if (kind === 'caught-up') return { kind };
  if (kind === 'failed') return { kind, code: isErrorCode(code) ? code : 'ERR_LOG_FAILED' };
  const bytes = decodeBase64url(typeof value['value'] === 'string' ? value['value'] : '=');
  const isEntry =
    Number.isSafeInteger(offset) && (key === null || typeof key === 'string') && isTexts(headers);
  if (!bytes || !isEntry) return undefined;
  return { kind: 'record', entry: { offset: Number(offset), key, headers, value: bytes } };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (line.trim() === '') return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((each) => typeof each === 'string');
}
