import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { Client, type ClientConfig, DatabaseError } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import pgpass from 'pgpass';

const CONNECT_MS_MAX = 10_000;
const LOCAL = /^(localhost|127(\.\d+){3}|\[::1\]|\/.*)$/;

/** What is the same for every session: times in UTC and floats with all of their digits. */
const SESSION = `
  BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL extra_float_digits = 1;
  SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on`;

/**
 * One transaction that reads and sees one state of the database from its beginning to its end.
 * Whatever PostgreSQL says of a failure may quote a row: only its code passes (SQLSTATE).
 */
export class PostgresSnapshot {
  readonly #client: Client;
  #isCopying = false;

  private constructor(client: Client) {
    this.#client = client;
    // It is told to whoever waits for an answer; without a listener it would end the process.
    client.on('error', () => undefined);
  }

  /** @throws ERR_USAGE, ERR_SOURCE_UNREACHABLE, ERR_SOURCE_REFUSED, ERR_FILE_UNREADABLE */
  static async open(url: URL, passwordFile: string | undefined): Promise<PostgresSnapshot> {
    const config = configOf(url);
    const password = await passwordOf(passwordFile, config);
    const snapshot = new PostgresSnapshot(new Client({ ...config, password }));
    await guard(snapshot.#client.connect());
    await guard(snapshot.#client.query(SESSION));
    return snapshot;
  }

  /** Columns of a query and their types, by object identifier and kind. */
  async columnsOf(sql: string): Promise<{ name: string; oid: number; kind?: string }[]> {
    const { fields } = await guard(this.#client.query(`SELECT * FROM (${sql}) AS source LIMIT 0`));
    const oids = fields.map(({ dataTypeID }) => dataTypeID);
    const types = await this.rows('SELECT oid::text, typtype FROM pg_type WHERE oid = ANY($1)', [
      oids,
    ]);
    const kinds = new Map(types.map(([oid, kind]) => [Number(oid), kind ?? '']));
    return fields.map(({ name, dataTypeID: oid }) => ({ name, oid, kind: kinds.get(oid) ?? '' }));
  }

  /** Every value as PostgreSQL writes it; a null stays one. */
  async rows(text: string, values: unknown[] = []): Promise<(string | null)[][]> {
    const types = { getTypeParser: () => (value: string) => value };
    const query = { text, values, rowMode: 'array' as const, types };
    const { rows } = await guard(this.#client.query<(string | null)[]>(query));
    return rows;
  }

  /** The rows of a query as CSV with a header: read from the server as fast as they are taken. */
  async *copy(sql: string): AsyncGenerator<Uint8Array> {
    const options = `(FORMAT csv, HEADER true, ENCODING 'UTF8')`;
    const stream = this.#client.query(copyTo(`COPY (${sql}) TO STDOUT WITH ${options}`));
    const lost = () => stream.destroy(new StrongroomError('ERR_SOURCE_UNREACHABLE', FACTS));
    this.#client.once('end', lost);
    this.#isCopying = true;
    try {
      yield* stream;
      this.#isCopying = false;
    } catch (error) {
      throw coded(error);
    } finally {
      this.#client.removeListener('end', lost);
    }
  }

  async close(): Promise<void> {
    // A server that is in the middle of a copy would not hear that we take leave.
    if (this.#isCopying) this.#client.connection.stream.destroy();
    else await this.#client.end().catch(() => undefined);
  }
}

type Login = Parameters<typeof pgpass>[0];

function configOf(url: URL): ClientConfig & Login {
  if (url.password !== '') {
    const problem = 'a password does not belong there: use --password-file or PGPASSFILE';
    throw new StrongroomError('ERR_USAGE', { argument: '--source', problem });
  }
  const { searchParams } = url;
  const host = searchParams.get('host') ?? decodeURIComponent(url.hostname);
  const others = [...searchParams.keys()].filter((name) => !PARAMETERS.includes(name));
  if (others.length > 0 || host === '') {
    const problem = `a host, and of parameters only ${PARAMETERS.join(', ')}`;
    throw new StrongroomError('ERR_USAGE', { argument: '--source', problem });
  }
  return {
    host,
    port: Number(searchParams.get('port') ?? (url.port || 5432)),
    user: decodeURIComponent(url.username) || userInfo().username,
    database: decodeURIComponent(url.pathname.slice(1)),
    ssl: tlsOf(host, searchParams),
    application_name: 'strongroom-producer',
    connectionTimeoutMillis: CONNECT_MS_MAX,
    keepAlive: true,
  };
}

const PARAMETERS = ['host', 'port', 'sslmode', 'sslrootcert'];

/** The server is verified, unless it is on this machine or its owner says otherwise. */
function tlsOf(host: string, parameters: URLSearchParams): ClientConfig['ssl'] {
  const mode = parameters.get('sslmode') ?? (LOCAL.test(host) ? 'disable' : 'verify-full');
  if (mode === 'disable') return false;
  if (mode !== 'verify-full') {
    const problem = 'sslmode is verify-full or disable: the modes between verify nobody';
    throw new StrongroomError('ERR_USAGE', { argument: '--source', problem });
  }
  const file = parameters.get('sslrootcert');
  return { rejectUnauthorized: true, ...(file === null ? {} : { ca: certificateIn(file) }) };
}

function certificateIn(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  }
}

/** Of the file that the owner names, else of the one that PGPASSFILE names or ~/.pgpass. */
async function passwordOf(file: string | undefined, login: Login): Promise<string> {
  if (file !== undefined) return (await readTextFile(file)).replace(/\r?\n$/, '');
  return new Promise((resolve) => pgpass(login, (password = '') => resolve(password)));
}

const FACTS = { source: 'postgres' };

async function guard<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw coded(error);
  }
}

/** Connection exceptions and a server that is going down (SQLSTATE classes 08 and 57P). */
const PASSES = /^(08|57P|53)/;

function coded(error: unknown): unknown {
  if (codeOf(error) !== undefined) return error;
  if (!(error instanceof DatabaseError)) {
    return new StrongroomError('ERR_SOURCE_UNREACHABLE', FACTS);
  }
  const { code: sqlState = '' } = error;
  const code = PASSES.test(sqlState) ? 'ERR_SOURCE_UNREACHABLE' : 'ERR_SOURCE_REFUSED';
  return new StrongroomError(code, { ...FACTS, sqlState });
}
