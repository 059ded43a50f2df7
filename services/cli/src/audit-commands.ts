import { type AuditEntry, AuditEntrySchema } from '@strongroom/protocol/audit';
import { partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { IssuerKeySchema } from '@strongroom/protocol/public-key';
import { readJsonFile, readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { printable } from '@strongroom/runtime/printable';
import { createProgress } from '@strongroom/runtime/progress';
import type { AuditAuthor } from '@strongroom/sealing/audit';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { type AuditCopy, downloadAuditCopy, exportLines, readAuditCopy } from './audit-copy.ts';
import { proveEntry, proveGrowth } from './audit-proofs.ts';
import { addReceiptsCommand } from './audit-receipts.ts';
import { type Remembered, verifyAuditCopy } from './audit-verdict.ts';
import { leafCommand, nounCommand, printResult } from './leaf-command.ts';
import { wholeNumber } from './option-values.ts';

/** `strongroom audit …`: what an owner's service wrote down, and whether it still says so. */
export function addAuditCommands(program: Command): void {
  const audit = nounCommand(program, 'audit', "an owner's audit log, checked without its service");
  leafCommand(
    audit,
    'export <file>',
    'save the audit log of a service',
    'strongroom audit export west.audit --vault https://keys.west.example --token-file audit.token',
  )
    .requiredOption('--vault <url>', 'key release service')
    .requiredOption('--token-file <file>', 'access token with the right `audit`')
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .action(exportLog);
  leafCommand(
    audit,
    'list <file>',
    'print the entries of an export or of a copy of the database',
    'strongroom audit list west.audit --event key-released',
  )
    .option('--event <name>', 'only entries of this kind')
    .action(list);
  authorOptions(
    leafCommand(
      audit,
      'verify <file>',
      'find what was changed, left out or cut off; exit code 0 only if nothing was',
      'strongroom audit verify west.audit --contract contract.json --since west.last-month.audit',
      { exits: { 77: 'something was changed, left out or cut off' } },
    ),
  )
    .option('--since <file>', 'an earlier export, or a signed head that was kept')
    .option(
      '--receipts <file>',
      'receipts from the log, as `strongroom audit receipts` prints them',
    )
    .action(verify);
  leafCommand(
    audit,
    'prove <file>',
    'print the proof that an entry is in the log, or that the log only grew',
    'strongroom audit prove west.audit --entry 17',
  )
    .option('--entry <number>', 'the entry to prove', wholeNumber)
    .option('--since <size>', 'the number of entries that it had', wholeNumber)
    .action(prove);
  addReceiptsCommand(audit);
}

function authorOptions(command: Command): Command {
  return command
    .option('--contract <file>', 'signed contract, which names the release key of the owner')
    .option('--release-key <file>', 'the release key itself, a public JWK');
}

interface ExportOptions {
  readonly vault: string;
  readonly tokenFile: string;
  readonly caFile?: string;
  readonly json?: boolean;
}

async function exportLog(file: string, options: ExportOptions): Promise<void> {
  const copy = await downloadAuditCopy(options);
  await writeFileAtomic(file, exportLines(copy));
  const { owner, entries, heads } = copy;
  const facts = { owner, entries: entries.length, heads: heads.length, file };
  printResult(options.json, facts, `${entries.length} entries of ${owner}: ${file}`);
}

interface ListOptions {
  readonly event?: string;
  readonly json?: boolean;
}

async function list(file: string, options: ListOptions): Promise<void> {
  const { entries } = await readAuditCopy(file);
  const shown = entries
    .map(readEntry)
    .filter(({ event }) => options.event === undefined || event === options.event);
  printResult(options.json, shown, shown.map(entryLine).join('\n') || 'no entries');
}

function readEntry(text: string, sequence: number): AuditEntry {
  try {
    return AuditEntrySchema.parse(JSON.parse(text));
  } catch {
    throw new StrongroomError('ERR_AUDIT_BROKEN', { sequence, check: 'entry' });
  }
}

function entryLine({ sequence, at, event, ...facts }: AuditEntry): string {
  const shown = Object.entries(facts).map(([name, value]) => {
    return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
  return printable([sequence, timeOf(at), event, ...shown].join(' '));
}

/** JavaScript's dates end there, and an entry may say anything. */
const MILLISECONDS_SHOWN_MAX = 8.64e15;

function timeOf(at: number): string {
  return Math.abs(at) > MILLISECONDS_SHOWN_MAX ? String(at) : new Date(at).toISOString();
}

interface VerifyOptions extends AuthorOptions {
  readonly since?: string;
  readonly receipts?: string;
  readonly json?: boolean;
}

async function verify(file: string, options: VerifyOptions): Promise<void> {
  const copy = await readAuditCopy(file);
  const author = await readAuthor(copy, options);
  const remembered = await readRemembered(options);
  const progress = createProgress('entries', copy.entries.length);
  const verdict = await verifyAuditCopy(copy, author, remembered, () =>
    progress.advance(1),
  ).finally(() => progress.done());
  const { owner, entries, root, signedAt, receipts } = verdict;
  printResult(
    options.json,
    verdict,
    [
      `whole: ${entries} entries of ${owner}, signed at ${timeOf(signedAt)}, root ${root}`,
      ...(options.since === undefined ? [] : ['nothing of what was kept from earlier is missing']),
      ...(options.receipts === undefined ? [] : [`${receipts} receipts are in it`]),
    ].join('\n'),
  );
}

interface AuthorOptions {
  readonly contract?: string;
  readonly releaseKey?: string;
}

async function readAuthor({ owner }: AuditCopy, options: AuthorOptions): Promise<AuditAuthor> {
  if ((options.contract === undefined) === (options.releaseKey === undefined)) {
    throw new StrongroomError('ERR_USAGE', { problem: 'one of --contract and --release-key' });
  }
  if (options.contract !== undefined) {
    const { contract } = await verifyContract(await readJsonFile(options.contract));
    const { keyRelease } = partyOf(contract, owner);
    if (keyRelease) return { owner, releaseKey: keyRelease.releaseKey };
  }
  const key = options.releaseKey && (await readJsonFile(options.releaseKey));
  const releaseKey = IssuerKeySchema.safeParse(key).data;
  if (releaseKey) return { owner, releaseKey };
  throw new StrongroomError('ERR_CONFIG_INVALID', { setting: 'release-key', party: owner });
}

const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

async function readRemembered({ since, receipts }: VerifyOptions): Promise<Remembered> {
  const lines = receipts === undefined ? [] : (await readTextFile(receipts)).split('\n');
  const kept = { receipts: lines.filter((line) => line !== '').map(parseReceipt) };
  if (since === undefined) return kept;
  const head = (await readTextFile(since).catch(() => '')).trim();
  return COMPACT_JWS.test(head) ? { ...kept, head } : { ...kept, copy: await readAuditCopy(since) };
}

function parseReceipt(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new StrongroomError('ERR_RECEIPT_INVALID', { check: 'shape' });
  }
}

interface ProveOptions {
  readonly entry?: number;
  readonly since?: number;
}

async function prove(file: string, { entry, since }: ProveOptions): Promise<void> {
  const copy = await readAuditCopy(file);
  if ((entry === undefined) === (since === undefined)) {
    throw new StrongroomError('ERR_USAGE', { problem: 'one of --entry and --since' });
  }
  const proof = entry === undefined ? proveGrowth(copy, since ?? 0) : proveEntry(copy, entry);
  printResult(true, proof, '');
}
