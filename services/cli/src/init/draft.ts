import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile } from '@strongroom/runtime/files';
import { isObject } from '../json.ts';
import { type Answers, isOwner, isReader } from './answers.ts';

/** A draft of `strongroom contract new`, and public files of others that it names. */
export interface Draft {
  readonly document: Readonly<Record<string, unknown>>;
  readonly files: ReadonlyMap<string, string>;
  /** Names of files that it names and that were not beside it. */
  readonly missing: readonly string[];
}

export function newDraft(answers: Answers): Draft {
  const { attestation, platform } = answers;
  const document = {
    '//': 'A draft: edit it, pass this folder on, and make a contract of it when all have joined.',
    strongroom: 'contract/v1',
    title: 'What this computation is about',
    purpose: 'What the results are for, and what nobody learns.',
    version: 1,
    parties: [partyOf(answers)],
    datasets: isOwner(answers) ? [datasetOf(answers, COLUMNS, 'at')] : [],
    queries: [
      {
        id: 'daily',
        sql: `SELECT count(*) AS n, avg(amount) AS mean FROM ${answers.relation}`,
        relations: [answers.relation],
        window: { kind: 'tumbling', sizeMs: DAY_MS },
        latenessMs: 0,
        readers: isReader(answers) ? [answers.party] : [],
        disclosure: { minimumGroupRows: 20, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform,
      measurements: { file: 'measurement.json' },
      minimumTcb: {},
      authorities: [{ issuer: attestation, keys: { file: 'attestation-certs.json' } }],
    },
  };
  return { document, files: new Map(), missing: [] };
}

const DAY_MS = 86_400_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-ms', nullable: false },
  { name: 'amount', type: 'int32', nullable: true },
];

/**
 * Another party's draft with this party in it: an owner brings a dataset with the columns of the
 * first one, and a reader reads the queries that nobody reads yet.
 * @throws ERR_FILE_UNREADABLE, ERR_JSON_MALFORMED, ERR_USAGE for no draft, or this party in it
 */
export async function joinDraft(path: string, answers: Answers): Promise<Draft> {
  const document = await readJsonFile(path);
  if (!isObject(document)) throw noDraft(path, 'it is no object');
  const parties = objectsIn(document, 'parties', path);
  if (parties.some(({ id }) => id === answers.party)) {
    throw noDraft(path, `${answers.party} is a party of it already`);
  }
  const datasets = objectsIn(document, 'datasets', path);
  const [first] = datasets;
  const columns = first?.['columns'] ?? COLUMNS;
  const own = { ...answers, relation: textOr(first?.['relation'], answers.relation) };
  const queries = objectsIn(document, 'queries', path).map((query) =>
    isReader(answers) && Array.isArray(query['readers']) && query['readers'].length === 0
      ? { ...query, readers: [answers.party] }
      : query,
  );
  const joined = {
    ...document,
    parties: [...parties, partyOf(answers)],
    datasets: isOwner(answers)
      ? [...datasets, datasetOf(own, columns, textOr(first?.['eventTime'], 'at'))]
      : datasets,
    queries,
  };
  return { document: joined, ...(await publicFiles(document, dirname(path))) };
}

function partyOf(answers: Answers): object {
  const { party, name, keysUrl } = answers;
  const identity = `${party}.public.json`;
  if (!isOwner(answers)) return { id: party, name, identity };
  const releaseKey = { file: `${party}.release-key.json` };
  return {
    id: party,
    name,
    identity,
    keyRelease: { url: keysUrl, releaseKey, stateShareKeyId: 'state-share' },
  };
}

function datasetOf({ party, dataset, relation }: Answers, columns: unknown, eventTime: string) {
  const wrappingKey = { file: `${party}.wrapping-key.json` };
  return { id: dataset, owner: party, relation, columns, eventTime, keyId: dataset, wrappingKey };
}

/** Files that the draft names lie beside it, wherever in the draft they are named. */
async function publicFiles(document: unknown, folder: string) {
  const files = new Map<string, string>();
  const missing: string[] = [];
  for (const name of namesIn(document)) {
    // Nothing outside of the folder that was handed over is read, whatever the draft says.
    if (!/^\w[\w.-]*$/.test(name)) throw noDraft(name, 'a draft names files beside it alone');
    try {
      files.set(name, await readFile(resolve(folder, name), 'utf8'));
    } catch {
      missing.push(name);
    }
  }
  return { files, missing };
}

function namesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([member, below]) =>
    (member === 'file' || member === 'identity') && typeof below === 'string'
      ? [below]
      : namesIn(below),
  );
}

function objectsIn(document: Readonly<Record<string, unknown>>, member: string, path: string) {
  const list = document[member];
  if (Array.isArray(list) && list.every(isObject)) return list;
  throw noDraft(path, `${member} is no list of objects`);
}

const textOr = (value: unknown, other: string) => (typeof value === 'string' ? value : other);

function noDraft(path: string, problem: string): StrongroomError {
  return new StrongroomError('ERR_USAGE', { answer: 'join', path, problem });
}
