import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  makePrivateFolder,
  readTextFile,
  syncFolder,
  writeFileAtomic,
} from '@strongroom/runtime/files';
import {
  type PolicyCertificate,
  type PolicyDocument,
  readPolicyDocument,
  readResetDocument,
  unsignedPolicy,
} from './policy-document.ts';

/** What evidence may be of; each has a policy of its own. */
export const ATTESTATION_TYPES = ['SevSnpVm', 'AzureGuest'] as const;
export type AttestationType = (typeof ATTESTATION_TYPES)[number];

/** Whatever is genuine gets a token, until somebody says otherwise. */
export const DEFAULT_POLICY = `version= 1.0;
authorizationrules
{
	=> permit();
};
issuancerules
{
};
`;

/** The policies in force. A change is on the disk before anybody is judged by it. */
export interface PolicyStore {
  current(type: AttestationType): PolicyDocument;
  /** @throws what readPolicyDocument throws; ERR_FILE_UNWRITABLE, ERR_DISK_FULL */
  set(type: AttestationType, jws: string): Promise<PolicyDocument>;
  /** Back to the default. @throws as `set` */
  reset(type: AttestationType, jws: string): Promise<void>;
}

/**
 * Opens the folder. Policies are read again as if they were set now: one that no longer is signed
 * as it has to be, or no longer parses, stops the start.
 * @throws ERR_CONFIG_INVALID, ERR_FILE_*
 */
export async function openPolicyStore(
  folder: string,
  certificates: readonly PolicyCertificate[] = [],
): Promise<PolicyStore> {
  await makePrivateFolder(folder);
  const fallback = await readPolicyDocument(unsignedPolicy(DEFAULT_POLICY), []);
  const documents = new Map<AttestationType, PolicyDocument>();
  for (const type of ATTESTATION_TYPES) {
    const stored = await readStored(pathOf(folder, type), certificates);
    if (stored) documents.set(type, stored);
  }
  const inOrder = createQueue();
  return {
    current: (type) => documents.get(type) ?? fallback,
    set: async (type, jws) => {
      const document = await readPolicyDocument(jws, certificates);
      return inOrder(async () => {
        await writeFileAtomic(pathOf(folder, type), jws);
        documents.set(type, document);
        return document;
      });
    },
    reset: async (type, jws) => {
      await readResetDocument(jws, certificates);
      return inOrder(async () => {
        await rm(pathOf(folder, type), { force: true });
        await syncFolder(folder);
        documents.delete(type);
      });
    },
  };
}

function pathOf(folder: string, type: AttestationType): string {
  return join(folder, `policy-${type}.jws`);
}

async function readStored(
  path: string,
  certificates: readonly PolicyCertificate[],
): Promise<PolicyDocument | undefined> {
  if (!existsSync(path)) return undefined;
  const jws = await readTextFile(path);
  return readPolicyDocument(jws, certificates).catch((error: unknown) => {
    if (!(error instanceof StrongroomError)) throw error;
    throw new StrongroomError('ERR_CONFIG_INVALID', { path, reason: error.code });
  });
}

/** One change after the other: what is on the disk and what is in force must be the same. */
function createQueue(): <T>(change: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (change) => {
    const result = last.then(change);
    last = result.catch(() => undefined);
    return result;
  };
}
