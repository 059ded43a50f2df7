import { randomBytes } from 'node:crypto';
import { createIdentity } from '@strongroom/sealing/identity';
import type { Organisation } from '../doctor/organisation-file.ts';
import { type Answers, isOwner } from './answers.ts';
import type { Draft } from './draft.ts';
import { shellWord } from './shell-word.ts';

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

export interface PlannedFile extends PlannedFolder {
  readonly text: string;
  /** For a person. */
  readonly holds: string;
}

const SECRET = 0o600;
const PUBLIC = 0o644;
const PROGRAM = 0o700;
const PRIVATE_FOLDER = 0o700;
const PUBLIC_FOLDER = 0o755;

const IDENTITY = 'secrets/identity.json';
const TLS = { certificate: 'tls/server.crt', key: 'tls/server.key' };
const OWNERS_SECRETS = [
  ['secrets/master-key', 'encrypts the keys that your service stores; keep a copy elsewhere'],
  ['secrets/admin-token', 'administers your keys'],
  ['secrets/access-token', 'for the worker, so that your service lets it ask'],
  ['secrets/audit-token', 'reads your audit log'],
] as const;

export async function planOf(answers: Answers, draft: Draft): Promise<Plan> {
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
      ...(isOwner(answers) ? ownersFiles(answers) : []),
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

function ownersFiles(answers: Answers): PlannedFile[] {
  const random = () => `${randomBytes(32).toString('base64url')}\n`;
  return [
    ...OWNERS_SECRETS.map(([path, holds]) => secret(path, random(), holds)),
    {
      path: 'start-key-release.sh',
      mode: PROGRAM,
      text: startFile(answers),
      holds: 'starts your key release service',
    },
    {
      path: 'prepare-keys.sh',
      mode: PROGRAM,
      text: keysFile(answers),
      holds: 'makes your keys in it; their public halves go beside the draft',
    },
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
    contract: 'contract/contract.json',
  };
}

/** STRONGROOM may name another command, with its arguments. */
const SHELL_HEAD = `#!/bin/sh
# Made by strongroom init; yours to change.
set -eu
cd "$(dirname "$0")"
strongroom=\${STRONGROOM:-strongroom}
`;

function startFile({ party, platform, keysUrl }: Answers): string {
  const { hostname, port } = new URL(keysUrl);
  const simulated = platform === 'simulated' ? [`--simulated --roots "\${PLATFORM_ROOTS:?}"`] : [];
  const listen = hostname === 'localhost' ? 'localhost' : '0.0.0.0';
  const options = [
    ...simulated,
    `--owner ${party} --host "\${HOST:-${listen}}" --port "\${PORT:-${port || '443'}}"`,
    `--public-url ${shellWord(keysUrl)} --data key-release/data`,
    '--authorities key-release/authorities.json --master-key-file secrets/master-key',
    '--access-token-file secrets/access-token --admin-token-file secrets/admin-token',
    '--audit-token-file secrets/audit-token',
    `--tls-cert ${TLS.certificate} --tls-key ${TLS.key} "$@"`,
  ];
  return `${SHELL_HEAD}
exec $strongroom key-release start ${options.join(' \\\n  ')}
`;
}

function keysFile({ party, dataset, keysUrl }: Answers): string {
  return `${SHELL_HEAD}
# CA_FILE: PEM certificates to trust instead of the public ones.
service() {
  $strongroom "$@" --vault ${shellWord(keysUrl)} \${CA_FILE:+--ca-file "$CA_FILE"}
}
key() {
  service key "$@" --token-file secrets/admin-token
}
key create --name ${dataset} --type rsa
key create --name state-share --type oct
key show --name ${dataset} --json > contract/${party}.wrapping-key.json
service key-release show --json > contract/${party}.release-key.json
`;
}

function privateFolder(path: string): PlannedFolder {
  return { path, mode: PRIVATE_FOLDER };
}

function secret(path: string, text: string, holds: string): PlannedFile {
  return { path, mode: SECRET, text, holds };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
