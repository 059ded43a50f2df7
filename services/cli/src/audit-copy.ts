import { open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { AuditExportSchema } from '@strongroom/protocol/audit';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { createProgress } from '@strongroom/runtime/progress';
import { z } from 'zod';
import { askService } from './owner-service.ts';
import type { VaultOptions } from './vault-client.ts';

/** An audit log as somebody shows it: nothing of it is believed yet. */
export interface AuditCopy {
  readonly owner: string;
  /** Exact characters, oldest first. */
  readonly entries: readonly string[];
  /** JWS, smallest first. */
  readonly heads: readonly string[];
}

const EXPORT = 'strongroom/audit-export/v1';

/** Lines of JSON: who keeps the log, its entries as they are, the heads that were signed. */
export function exportLines({ owner, entries, heads }: AuditCopy): string {
  const first = JSON.stringify({ audit: EXPORT, owner });
  const last = heads.map((head) => JSON.stringify({ head }));
  return `${[first, ...entries, ...last].join('\n')}\n`;
}

/**
 * Reads an export, or a copy of a service's database with the `-wal` file beside it.
 * @throws ERR_FILE_UNREADABLE, ERR_STATE_LOCKED, ERR_STATE_CORRUPT, ERR_AUDIT_BROKEN
 */
export async function readAuditCopy(path: string): Promise<AuditCopy> {
  return (await isDatabase(path)) ? fromDatabase(path) : fromExport(await readTextFile(path));
}

const SQLITE_MAGIC = 'SQLite format 3\0';

async function isDatabase(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'r');
    const { buffer } = await file
      .read(Buffer.alloc(SQLITE_MAGIC.length), 0)
      .finally(() => file.close());
    return buffer.toString('latin1') === SQLITE_MAGIC;
  } catch {
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  }
}

const HEAD_LINE = '{"head":';
const HeadLineSchema = z.strictObject({ head: z.string() });

function fromExport(text: string): AuditCopy {
  const [first = '', ...lines] = text.split('\n').filter((line) => line !== '');
  const known = AuditExportSchema.safeParse(parseJson(first));
  if (!known.success) throw broken('not an export');
  const entries = lines.filter((line) => !line.startsWith(HEAD_LINE));
  const heads = lines
    .filter((line) => line.startsWith(HEAD_LINE))
    .map((line) => HeadLineSchema.safeParse(parseJson(line)).data?.head ?? '');
  return { owner: known.data.owner, entries, heads };
}

const EntriesSchema = z.array(z.strictObject({ entry: z.string() }));
const HeadsSchema = z.array(z.strictObject({ jws: z.string() }));
const OwnerSchema = z.strictObject({ owner: z.string() });

/** The tables of services/key-release/src/storage/database.ts, read and nothing else. */
function fromDatabase(path: string): AuditCopy {
  const database = new DatabaseSync(path, { open: false, readOnly: true });
  try {
    database.open();
    const all = (sql: string) => database.prepare(sql).all();
    const { owner } = OwnerSchema.parse(all('SELECT owner FROM identity')[0]);
    const entries = EntriesSchema.parse(all('SELECT entry FROM audit_log ORDER BY sequence'));
    const heads = HeadsSchema.parse(all('SELECT jws FROM audit_heads ORDER BY size'));
    return {
      owner,
      entries: entries.map(({ entry }) => entry),
      heads: heads.map(({ jws }) => jws),
    };
  } catch (error) {
    throw new StrongroomError(isBusy(error) ? 'ERR_STATE_LOCKED' : 'ERR_STATE_CORRUPT', { path });
  } finally {
    if (database.isOpen) database.close();
  }
}

/** SQLITE_BUSY: the service itself runs on this file. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}

const WellKnownSchema = z.looseObject({ owner: z.string() });
const EntriesPageSchema = z.strictObject({ entries: z.array(z.string()) });
const HeadSchema = z.strictObject({ size: z.int(), jws: z.string() });
const HeadsPageSchema = z.strictObject({ heads: z.array(HeadSchema) });
const NewestSchema = z.strictObject({ size: z.int(), head: z.string() });
const PAGE = 200;

/** The service signs a head over what it has now. */
export async function askAuditHead(vault: VaultOptions): Promise<{ size: number; head: string }> {
  return NewestSchema.parse(await askService(vault, { method: 'GET', path: '/audit/head' }));
}

/** Entries `from` … `size` - 1, page by page; it ends early where the service has no more. */
export async function* askAuditEntries(
  vault: VaultOptions,
  from: number,
  size: number,
): AsyncGenerator<string[]> {
  for (let next = from; next < size; ) {
    const path = `/audit/entries?from=${next}&limit=${Math.min(PAGE, size - next)}`;
    const page = EntriesPageSchema.parse(await askService(vault, { method: 'GET', path }));
    if (page.entries.length === 0) return;
    yield page.entries;
    next += page.entries.length;
  }
}

/** Asks the service, which signs a head over what it has now, and takes the log up to there. */
export async function downloadAuditCopy(vault: VaultOptions): Promise<AuditCopy> {
  const ask = (path: string) => askService(vault, { method: 'GET', path });
  const { owner } = WellKnownSchema.parse(await ask('/.well-known/strongroom'));
  const { size } = await askAuditHead(vault);
  const entries: string[] = [];
  const progress = createProgress('audit entries', size);
  for await (const page of askAuditEntries(vault, 0, size)) {
    entries.push(...page);
    progress.advance(page.length);
  }
  progress.done();
  const heads: z.infer<typeof HeadSchema>[] = [];
  for (;;) {
    const path = `/audit/heads?above=${heads.at(-1)?.size ?? 0}&limit=${PAGE}`;
    const page = HeadsPageSchema.parse(await ask(path)).heads;
    heads.push(...page.filter((head) => head.size <= size));
    if (page.length < PAGE || (page.at(-1)?.size ?? size) >= size) break;
  }
  return { owner, entries: entries.slice(0, size), heads: heads.map(({ jws }) => jws) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function broken(check: string): StrongroomError {
  return new StrongroomError('ERR_AUDIT_BROKEN', { check });
}
