import { dirname, resolve } from 'node:path';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readJsonFile } from '@strongroom/runtime/files';
import { isObject } from './json.ts';
import { publicKeyOf, publicKeysOf } from './public-key-file.ts';

/**
 * A draft is a contract that people write: the same JSON, in which a key, its `keyId` or
 * `keyShares` may stand as `{"file": PATH}`, a party may give `"identity": PATH` instead of its
 * keys, and a member named `"//"` is a comment. Paths count from the draft's folder.
 * @param members that do not come from the draft
 * @throws ERR_FILE_UNREADABLE, ERR_JSON_MALFORMED, ERR_CONFIG_INVALID for a file that holds no
 *   such key, ERR_CONTRACT_MALFORMED with the place
 */
export async function contractFromDraft(path: string, members: object = {}): Promise<Contract> {
  const resolved = await resolveReferences(await readJsonFile(path), '', dirname(path));
  return parseContract(isObject(resolved) ? { ...resolved, ...members } : resolved);
}

/** `member` is the name under which the value stands: it says what a file is expected to hold. */
async function resolveReferences(value: unknown, member: string, folder: string): Promise<unknown> {
  if (Array.isArray(value)) {
    return Promise.all(value.map((each) => resolveReferences(each, member, folder)));
  }
  if (!isObject(value)) return value;
  const file = fileReferenceOf(value);
  if (file !== undefined) return referenced(member, resolve(folder, file));
  const resolved: Record<string, unknown> = {};
  for (const [name, below] of Object.entries(value)) {
    if (name === COMMENT) continue;
    if (name === 'identity' && member === 'parties' && typeof below === 'string') {
      Object.assign(resolved, await keysOfIdentity(resolve(folder, below)));
    } else {
      resolved[name] = await resolveReferences(below, name, folder);
    }
  }
  return resolved;
}

const COMMENT = '//';

function fileReferenceOf(value: Record<string, unknown>): string | undefined {
  const { file, ...others } = value;
  return typeof file === 'string' && Object.keys(others).length === 0 ? file : undefined;
}

async function referenced(member: string, path: string): Promise<unknown> {
  const document = await readJsonFile(path);
  if (member === 'measurements') return measurementsIn(document, path);
  if (member === 'keys') return publicKeysOf(document, path);
  if (['keyShares', 'keyId'].includes(member) && isObject(document)) return document[member];
  // A service that keeps a lease beside its keys signs both with one key.
  const isOfKeyRelease = member === 'statementKey' && isObject(document) && !(member in document);
  return publicKeyOf(document, isOfKeyRelease ? 'releaseKey' : member, path);
}

/** What `strongroom identity new --json` prints. */
async function keysOfIdentity(path: string): Promise<Record<string, unknown>> {
  const document = await readJsonFile(path);
  const signingKey = publicKeyOf(document, 'signingKey', path);
  if (!isObject(document) || document['readingKey'] === undefined) return { signingKey };
  return { signingKey, readingKey: publicKeyOf(document, 'readingKey', path) };
}

/** What `strongroom measure --json` prints: one measurement or a list of them. */
function measurementsIn(document: unknown, path: string): unknown {
  const list = Array.isArray(document) ? document : [document];
  return list.map((each) => {
    if (!isObject(each)) throw new StrongroomError('ERR_CONFIG_INVALID', { path });
    return { name: each['name'], sha384: each['sha384'] };
  });
}

/**
 * `DATASET=FILE`, of what `strongroom key rotate --json` or `key show --json` printed.
 * @throws ERR_USAGE for a dataset that the contract lacks
 */
export async function withKey(contract: Contract, text: string): Promise<Contract> {
  const [, id = '', path = ''] = /^([^=]*)=(.+)$/.exec(text) ?? [];
  if (!contract.datasets.some((dataset) => dataset.id === id)) {
    throw new StrongroomError('ERR_USAGE', { argument: '--key', problem: 'DATASET=FILE' });
  }
  const keyId = await referenced('keyId', path);
  const wrappingKey = await referenced('wrappingKey', path);
  const datasets = contract.datasets.map((dataset) =>
    dataset.id === id ? { ...dataset, keyId, wrappingKey } : dataset,
  );
  return parseContract({ ...contract, datasets });
}
