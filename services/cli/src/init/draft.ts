import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile } from '@strongroom/runtime/files';
import { isObject } from '../json.ts';
import { type Answers, isOwner, isReader } from './answers.ts';
import type { Rows } from './describe-rows.ts';

/** A draft of `strongroom contract new`, and public files of others that it names. */
export interface Draft {
  readonly document: Readonly<Record<string, unknown>>;
  readonly files: ReadonlyMap<string, string>;
  /** Names of files that it names and that were not beside it. */
  readonly missing: readonly string[];
}

/** @param rows of the first owner's file, where it was named */
export function newDraft(answers: Answers, rows: Rows = EXAMPLE_ROWS): Draft {
  const { attestation, platform } = answers;
  const document = {
    '//': 'A draft: edit it, pass this folder on, and make a contract of it when all have joined.',
    strongroom: 'contract/v1',
    title: 'What this computation is about',
    purpose: 'What the results are for, and what nobody learns.',
    version: 1,
    parties: [partyOf(answers)],
    datasets: isOwner(answers) ? [datasetOf(answers, rows.columns, rows.eventTime)] : [],
    queries: [
      {
        id: rows.eventTime === undefined ? 'whole' : 'daily',
        sql: `SELECT ${['count(*) AS n', ...meanOf(rows)].join(', ')} FROM ${answers.relation}`,
        relations: [answers.relation],
        window:
          rows.eventTime === undefined ? { kind: 'whole' } : { kind: 'tumbling', sizeMs: DAY_MS },
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
const EXAMPLE_ROWS: Rows = {
  columns: [
    { name: 'at', type: 'timestamp-ms', nullable: false },
    { name: 'amount', type: 'int32', nullable: true },
  ],
  eventTime: 'at',
};

/** Of the first column of numbers, so that there is something to look at. */
function meanOf({ columns }: Rows): string[] {
  const number = columns.find(({ type }) => /^(u?int|float|decimal)/.test(type));
  return number === undefined ? [] : [`avg(${number.name}) AS mean_${number.name}`];
}

/**
 * Another party's draft with this party in it: an owner brings a dataset with the columns of the
 * first one, and a reader asks to read every query. All parties see that before they sign.
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
  const columns = first?.['columns'] ?? EXAMPLE_ROWS.columns;
  const own = { ...answers, relation: textOr(first?.['relation'], answers.relation) };
  const queries = objectsIn(document, 'queries', path).map((query) =>
    isReader(answers) && Array.isArray(query['readers'])
      ? { ...query, readers: [...query['readers'], answers.party] }
      : query,
  );
  const joined = {
    ...document,
    parties: [...parties, partyOf(answers)],
    datasets: isOwner(answers)
      ? [...datasets, datasetOf(own, columns, first ? first['eventTime'] : EXAMPLE_ROWS.eventTime)]
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
    keyRelease: {
      ...{ url: keysUrl, releaseKey, stateShareKeyId: 'state-share' },
      // Its service can stop a cloned worker, and end the contract.
      lease: { url: keysUrl, statementKey: releaseKey },
    },
  };
}

function datasetOf({ party, dataset, relation }: Answers, columns: unknown, eventTime: unknown) {
  const wrappingKey = { file: `${party}.wrapping-key.json` };
  const time = eventTime === undefined ? {} : { eventTime };
  // With its version: a contract that names none stops when the key is rotated.
  const key = { keyId: wrappingKey, wrappingKey };
  return { id: dataset, owner: party, relation, columns, ...time, ...key };
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
