import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import type { SourceRequest } from './check-source.ts';
import { isFolder, openFolder } from './folder-source.ts';
import { openPostgres } from './postgres-source.ts';
import type { Settings } from './settings.ts';
import { openInput } from './source-input.ts';
import { quoteIdentifier } from './sql-text.ts';

type Requested = Pick<Settings, 'source' | 'table' | 'query' | 'increment' | 'passwordFile'>;

/** Options that mean something for one kind of source only. */
const OF_POSTGRES = ['table', 'query', 'increment', 'passwordFile'] as const;

/**
 * What `--source` names, and the options that say more of it.
 * @throws ERR_USAGE, ERR_FILE_UNREADABLE
 */
export async function openRequested(settings: Requested): Promise<SourceRequest['input']> {
  const { source } = settings;
  if (/^postgres(ql)?:/.test(source)) return openPostgres(await postgresOptions(settings));
  for (const name of OF_POSTGRES) {
    if (settings[name] !== undefined) throw usage(name, 'only with --source postgres://…');
  }
  return (await isFolder(source)) ? openFolder(source) : openInput(source);
}

async function postgresOptions({ source, table, query, ...rest }: Requested) {
  const url = urlOf(source);
  if ((table === undefined) === (query === undefined)) {
    throw usage('source', 'a database needs --table or --query, one of them');
  }
  const { increment, passwordFile } = rest;
  if (query === undefined) return { url, sql: tableSql(table ?? ''), increment, passwordFile };
  const sql = (await readTextFile(query)).trim().replace(/;$/, '');
  return { url, sql, increment, passwordFile };
}

/** `schema.name` or `name`, spelled as in the catalogue; a point within a name needs --query. */
function tableSql(table: string): string {
  return `SELECT * FROM ${table.split('.').map(quoteIdentifier).join('.')}`;
}

/** The text may hold a password that does not belong there: it is not repeated. */
function urlOf(source: string): URL {
  const url = URL.parse(source);
  if (url) return url;
  throw usage('source', 'not a URL');
}

function usage(name: string, problem: string): StrongroomError {
  const argument = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return new StrongroomError('ERR_USAGE', { argument, problem });
}
