import type { AuditEntry } from '@strongroom/protocol/audit';
import type { Contract } from '@strongroom/protocol/contract';
import { printable } from '@strongroom/runtime/printable';
import { isObject } from '../json.ts';
import type { RequestFacts, RequestKind, RequestsFacts } from './facts.ts';

/** What an audit log says, in words: who asked, for what, and what was answered. */

type Kind = Exclude<RequestKind, 'all'>;

const EVENTS: Readonly<Record<string, readonly [kind: Kind, what: string]>> = {
  'key-released': ['keys', 'A key was released'],
  'release-refused': ['keys', 'A key was refused'],
  'request-refused': ['keys', 'A request was refused'],
  'contract-stored': ['contract', 'A contract was stored'],
  'contract-superseded': ['contract', 'An amendment was approved'],
  'contract-revoked': ['contract', 'The contract was ended'],
  'lease-granted': ['contract', 'A worker got the lease'],
  'lease-ended': ['contract', 'A lease ended'],
  'budgets-set': ['budgets', 'Budgets were set'],
  'budget-debited': ['budgets', 'A result was paid for'],
  'service-created': ['administration', 'The service was set up'],
  'key-created': ['administration', 'A key was made'],
  'key-imported': ['administration', 'A key was imported'],
  'key-updated': ['administration', 'A key was changed'],
  'key-rotated': ['administration', 'A key was rotated'],
  'key-deleted': ['administration', 'A key was deleted'],
  'key-recovered': ['administration', 'A key was recovered'],
  'key-purged': ['administration', 'A key was purged'],
  'key-backed-up': ['administration', 'A key was backed up'],
  'key-restored': ['administration', 'A key was restored'],
  'rotation-policy-set': ['administration', 'A rotation policy was set'],
  'master-key-rotated': ['administration', 'The master key was rotated'],
  'random-read': ['administration', 'Random bytes were read'],
  'keys-read': ['administration', 'Somebody looked'],
};

/** Of a refused request the route says what it was about. */
function kindOf(entry: AuditEntry): readonly [kind: Kind, what: string] {
  const { event, route } = entry;
  const known = EVENTS[event] ?? ['administration', textOf(event)];
  if (event !== 'request-refused' || typeof route !== 'string') return known;
  if (route.startsWith('/ledger/')) return ['budgets', 'A debit or a budget was refused'];
  if (/^\/(leases|contracts)\//.test(route)) return ['contract', 'A lease or a step was refused'];
  return known;
}

const PAGE = 100;

/** @param before the number of an entry: only those before it */
export function requestsIn(
  entries: readonly AuditEntry[],
  contract: Contract,
  { kind, before = entries.length }: { readonly kind: RequestKind; readonly before?: number },
): RequestsFacts {
  const requests: RequestFacts[] = [];
  let at = Math.min(before, entries.length) - 1;
  for (; at >= 0 && requests.length < PAGE; at -= 1) {
    const entry = entries[at];
    if (!entry) continue;
    const [known, what] = kindOf(entry);
    if (kind !== 'all' && known !== kind) continue;
    requests.push(requestFacts(entry, what, contract));
  }
  return { requests, ...(at < 0 ? {} : { before: at + 1 }) };
}

/** Keys that were released, and requests for keys that were not granted, over the whole log. */
export function countsIn(entries: readonly AuditEntry[]): { released: number; refused: number } {
  const numberOf = ({ count }: AuditEntry) => (typeof count === 'number' ? count : 1);
  const sum = (isMeant: (entry: AuditEntry) => boolean) =>
    entries.filter(isMeant).reduce((all, entry) => all + numberOf(entry), 0);
  return {
    released: sum(({ event }) => event === 'key-released'),
    refused: sum((entry) => entry.event.endsWith('-refused') && kindOf(entry)[0] === 'keys'),
  };
}

function requestFacts(entry: AuditEntry, what: string, contract: Contract): RequestFacts {
  const { sequence, at, event, caller, count } = entry;
  const often = typeof count === 'number' && event !== 'random-read' ? `, ${count} times` : '';
  return {
    ...{ sequence, at, what: `${what}${often}` },
    caller: textOf(caller),
    about: aboutText(entry),
    answer: answerText(entry, contract),
    isRefusal: event.endsWith('-refused'),
  };
}

function aboutText({ key, version, route, contract, budgets, debit }: AuditEntry): string {
  if (typeof key === 'string') return textOf(key) + (version ? ` ${shortText(version)}` : '');
  if (Array.isArray(budgets)) return budgets.map(({ dataset }) => textOf(dataset)).join(', ');
  if (isObject(debit)) return textOf(debit['query']);
  if (typeof route === 'string') return textOf(route);
  return typeof contract === 'string' ? `contract ${shortText(contract)}` : '';
}

function answerText(entry: AuditEntry, contract: Contract): string {
  const { event, code, details, measurement, authority, epoch, successor } = entry;
  if (typeof code === 'string') {
    const more = Array.isArray(details) ? `: ${details.map(detailText).join('; ')}` : '';
    return `${textOf(code)}${more}`;
  }
  if (event === 'key-released') {
    const known = contract.enclave.measurements.find(({ sha384 }) => sha384 === measurement);
    const name = known?.name ?? `code ${shortText(measurement)}`;
    return `to ${name}, attested by ${textOf(authority)}`;
  }
  if (typeof successor === 'string') return `followed by ${shortText(successor)}`;
  return typeof epoch === 'number' ? `epoch ${epoch}` : '';
}

/** A name that strangers may have chosen cannot steer what is shown. */
function textOf(value: unknown): string {
  return value === undefined ? '' : printable(String(value));
}

/** Hashes in it are known by their ends; `strongroom audit list` shows all of them. */
function detailText(value: unknown): string {
  const hash = /\b([0-9a-f]{8})[0-9a-f]{28,}([0-9a-f]{4})\b/g;
  return textOf(value).replace(hash, (_all, begin, end) => `${begin}…${end}`);
}

function shortText(value: unknown): string {
  const text = textOf(value);
  return text.length > 16 ? `${text.slice(0, 12)}…` : text;
}
