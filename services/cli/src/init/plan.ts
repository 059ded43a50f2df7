import { randomBytes } from 'node:crypto';
import { createIdentity } from '@strongroom/sealing/identity';
import type { Organisation } from '../doctor/organisation-file.ts';
import { type Answers, isOwner, isReader } from './answers.ts';
import type { Draft } from './draft.ts';
import {
  allowFile,
  CONTRACT,
  IDENTITY,
  keysFile,
  publishFile,
  readFile,
  startFile,
  TLS,
} from './scripts.ts';

/** Everything that `strongroom init` makes; nothing of it exists yet. */
export interface Plan {
  /** Below the organisation's folder, which is the first; all are private but `contract`. */
  readonly folders: readonly PlannedFolder[];
  readonly files: readonly PlannedFile[];
}

interface PlannedFolder {
  readonly path: string;
  readonly mode: number;
}

interface PlannedFile extends PlannedFolder {
  readonly text: string;
  /** For a person. */
  readonly holds: string;
}

const SECRET = 0o600;
const PUBLIC = 0o644;
const PROGRAM = 0o700;
const PRIVATE_FOLDER = 0o700;
const PUBLIC_FOLDER = 0o755;

const OWNERS_SECRETS = [
  ['secrets/master-key', 'encrypts the keys that your service stores; keep a copy elsewhere'],
  ['secrets/admin-token', 'administers your keys'],
  ['secrets/access-token', 'for the worker, so that your service lets it ask'],
  ['secrets/audit-token', 'reads your audit log'],
] as const;

/** @param mapping what `--columns` is to say, where the names of a file are not the contract's */
export async function planOf(answers: Answers, draft: Draft, mapping?: string): Promise<Plan> {
  const { party } = answers;
  const { identityJson, signingKey, readingKey } = await createIdentity(party, { reading: true });
  const shown = { party, signingKey, readingKey };
  return {
    folders: [
      ...['.', 'secrets'].map(privateFolder),
      { path: 'contract', mode: PUBLIC_FOLDER },
      ...(isOwner(answers) ? ['tls', 'key-release', 'producer'].map(privateFolder) : []),
    ],
    files: [
      secret(IDENTITY, identityJson, 'your private keys: whoever has them can sign as you'),
      ...(isOwner(answers) ? ownersFiles(answers, mapping) : []),
      ...(isReader(answers)
        ? [program('read-results.sh', readFile(answers), 'reads what is addressed to you')]
        : []),
      {
        path: `contract/${party}.public.json`,
        mode: PUBLIC,
        text: json(shown),
        holds: 'your public keys',
      },
      ...[...draft.files].map(([name, text]) => ({
        ...{ path: `contract/${name}`, mode: PUBLIC, text, holds: 'of another party' },
      })),
      {
        path: 'contract/draft.json',
        mode: PUBLIC,
        text: json(draft.document),
        holds: 'the draft; pass this folder on',
      },
      {
        path: 'organisation.json',
        mode: SECRET,
        text: json(organisationOf(answers)),
        holds: 'where all of this lies, for `strongroom doctor`',
      },
    ],
  };
}

function ownersFiles(answers: Answers, mapping: string | undefined): PlannedFile[] {
  const random = () => `${randomBytes(32).toString('base64url')}\n`;
  return [
    ...OWNERS_SECRETS.map(([path, holds]) => secret(path, random(), holds)),
    program('start-key-release.sh', startFile(answers), 'starts your key release service'),
    program(
      'prepare-keys.sh',
      keysFile(answers),
      'makes your keys in it; their public halves go beside the draft',
    ),
    program(
      'allow-release.sh',
      allowFile(answers),
      'has your keys released as the signed contract says',
    ),
    program('publish.sh', publishFile(answers, mapping), 'publishes the rows of a file'),
  ];
}

function organisationOf(answers: Answers): Organisation {
  const owner = isOwner(answers);
  return {
    strongroom: 'organisation/v1',
    party: answers.party,
    identity: IDENTITY,
    secrets: owner ? OWNERS_SECRETS.map(([path]) => path) : [],
    folders: ['.', 'secrets', ...(owner ? ['tls', 'key-release', 'producer'] : [])],
    certificates: owner ? [TLS] : [],
    contract: CONTRACT,
  };
}

function privateFolder(path: string): PlannedFolder {
  return { path, mode: PRIVATE_FOLDER };
}

function secret(path: string, text: string, holds: string): PlannedFile {
  return { path, mode: SECRET, text, holds };
}

function program(path: string, text: string, holds: string): PlannedFile {
  return { path, mode: PROGRAM, text, holds };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
