import { createHash } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { ERRORS, type ErrorFacts, isErrorCode } from '@strongroom/protocol/errors';
import { type QuarantineEntryOfRecord, quarantineId } from '@strongroom/protocol/quarantine-entry';
import { SEAL_HEADER } from '@strongroom/protocol/record';
import { printable } from '@strongroom/runtime/printable';
import Table from 'cli-table3';
import type { FoundEntry, ListedQuarantine, ListedRecord } from './read-quarantine.ts';
import { sealMembers, worthARetry } from './retry-quarantined.ts';

/** A quarantine as a person reads it. Whatever a refused record says is shown, never obeyed. */

export function quarantineTable({ records, counted, missing }: ListedQuarantine): string {
  const lines: string[] = [];
  if (records.length > 0) lines.push(tableOf(records));
  for (const { at, dataset, partition, from, to, byCode } of counted) {
    const codes = Object.entries(byCode).map(([code, count]) => `${count} x ${code}`);
    const where = `${dataset}/${partition}, offsets ${from} to ${to}`;
    lines.push(printable(`only counted, by ${timeText(at)}: ${codes.join(', ')} in ${where}`));
  }
  if (missing > 0) lines.push(`${missing} older entries are no longer on the log`);
  if (lines.length === 0) return 'nothing was set aside';
  return lines.join('\n');
}

function tableOf(records: readonly ListedRecord[]): string {
  const table = new Table({
    head: ['id', 'when', 'code', 'bytes', 'what to do'],
    colWidths: [null, null, null, null, 50],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { id, at, code, bytes, times } of records) {
    const often = times > 1 ? ` (told ${times} times)` : '';
    table.push([id, timeText(at), printable(code), bytes, `${adviceOn(code)}${often}`]);
  }
  return table.toString();
}

/** What the code means for this record. */
export function adviceOn(code: string): string {
  const known = isErrorCode(code) ? ERRORS[code].remedy : 'This version does not know the code.';
  const why = worthARetry(code);
  return why === undefined ? known : `${known} Retry: ${why}.`;
}

/** Of one entry everything but rows: those are in the value, which nobody opens here. */
export function entryFacts({ entry, seal, worker }: FoundEntry) {
  const { at, code, facts, origin } = entry;
  return {
    ...{ id: quarantineId(origin), at, code, facts, origin },
    expected: isErrorCode(code) ? ERRORS[code].expected : null,
    advice: adviceOn(code),
    toldBy: { measurement: worker.measurementName, epoch: seal.epoch, entry: seal.sequence },
    record: recordFacts(entry),
  };
}

function recordFacts({ record }: QuarantineEntryOfRecord) {
  if (record.kind === 'left') return record;
  const { [SEAL_HEADER]: sealed, ...headers } = record.headers;
  const value = decodeBase64url(record.value) ?? new Uint8Array(0);
  return {
    ...{ kind: record.kind, key: record.key, headers },
    /** As it claims; the signature may be anybody's. */
    claims: sealed === undefined ? null : (sealMembers(record.headers) ?? 'no seal'),
    bytes: value.length,
    valueSha256: createHash('sha256').update(value).digest('hex'),
  };
}

export function entryText(found: FoundEntry): string {
  const { id, at, code, facts, expected, advice, toldBy, record } = entryFacts(found);
  const lines = [
    `${id}, refused ${timeText(at)} (by the clock of the worker's machine)`,
    `${code}${factsText(facts)}${expected === null ? '' : `: ${expected}`}`,
    advice,
    `told by a worker of ${toldBy.measurement}, epoch ${toldBy.epoch}; proof and signature hold`,
    '',
    ...(record.kind === 'left' ? leftLines(record) : wholeLines(record)),
  ];
  return lines.map(printable).join('\n');
}

type RecordFacts = ReturnType<typeof recordFacts>;

function leftLines({ bytes, valueSha256 }: Extract<RecordFacts, { kind: 'left' }>): string[] {
  return [
    `the record was too large to be set aside: it lies at its origin only`,
    `value: ${bytes} bytes, SHA-256 ${valueSha256}`,
  ];
}

function wholeLines(record: Extract<RecordFacts, { kind: 'whole' }>): string[] {
  const { key, headers, claims, bytes, valueSha256 } = record;
  const shown = (value: unknown) => cut(typeof value === 'string' ? value : JSON.stringify(value));
  const members = typeof claims === 'object' && claims !== null ? Object.entries(claims) : [];
  return [
    `key: ${shown(key)}`,
    ...Object.entries(headers).map(([name, value]) => `header ${name}: ${shown(value)}`),
    ...(claims === null
      ? ['no header with a seal']
      : ['the seal claims, of which nothing is believed:']),
    ...(claims === 'no seal' ? ['  what is no seal'] : []),
    ...members.map(([name, value]) => `  ${name}: ${shown(value)}`),
    `value: ${bytes} bytes, SHA-256 ${valueSha256}; not opened`,
  ];
}

const CHARACTERS_SHOWN_MAX = 120;

function cut(text: string): string {
  return text.length > CHARACTERS_SHOWN_MAX ? `${text.slice(0, CHARACTERS_SHOWN_MAX)}…` : text;
}

function factsText(facts: ErrorFacts): string {
  const shown = Object.entries(facts).map(([name, value]) => `${name}: ${String(value)}`);
  return shown.length === 0 ? '' : ` (${shown.join(', ')})`;
}

/** JavaScript's dates end there. */
const MILLISECONDS_SHOWN_MAX = 8.64e15;

function timeText(at: number): string {
  const shown = Math.abs(at) <= MILLISECONDS_SHOWN_MAX;
  return shown ? new Date(at).toISOString().replace(/\.\d+Z$/, 'Z') : String(at);
}
