import { shellWord } from '@strongroom/runtime/shell-word';
import type { Answers } from './answers.ts';

/** Programs that `strongroom init` writes for an organisation: what they do can be read in them. */

export const IDENTITY = 'secrets/identity.json';
export const TLS = { certificate: 'tls/server.crt', key: 'tls/server.key' };
export const CONTRACT = 'contract/contract.json';

/** STRONGROOM may name another command, with its arguments. */
const SHELL_HEAD = `#!/bin/sh
# Made by strongroom init; yours to change.
set -eu
strongroom=\${STRONGROOM:-strongroom}
`;
const IN_THIS_FOLDER = 'cd "$(dirname "$0")"';
/** Where files of the caller's folder are named. */
const FROM_THERE = 'here=$(dirname "$0")';

export function startFile({ party, platform, keysUrl }: Answers): string {
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
  return `${SHELL_HEAD}${IN_THIS_FOLDER}
exec $strongroom key-release start ${options.join(' \\\n  ')}
`;
}

/** Asks the organisation's own service. CA_FILE is read as the caller names it. */
function serviceFile({ keysUrl }: Answers, rest: readonly string[]): string {
  return `${SHELL_HEAD}${IN_THIS_FOLDER}
# CA_FILE: PEM certificates to trust instead of the public ones.
service() {
  $strongroom "$@" --vault ${shellWord(keysUrl)} \${CA_FILE:+--ca-file "$CA_FILE"}
}
key() {
  service key "$@" --token-file secrets/admin-token
}
${rest.join('\n')}
`;
}

export function keysFile(answers: Answers): string {
  const { party, dataset } = answers;
  return serviceFile(answers, [
    '# The service may have been started a moment ago.',
    `service key-release show --json --wait 60 > contract/${party}.release-key.json`,
    `key create --name ${dataset} --type rsa`,
    'key create --name state-share --type oct',
    `key show --name ${dataset} --json > contract/${party}.wrapping-key.json`,
  ]);
}

export function allowFile(answers: Answers): string {
  return serviceFile(answers, [
    `for name in ${answers.dataset} state-share; do`,
    `  key policy set --name "$name" --contract ${CONTRACT}`,
    'done',
  ]);
}

export function publishFile({ dataset, csv }: Answers, mapping: string | undefined): string {
  const columns = mapping === undefined ? [] : [`--columns ${shellWord(mapping)}`];
  const dialect = csv === undefined ? [] : [`--csv ${shellWord(csv)}`];
  const options = [
    `--contract "$here/${CONTRACT}" --dataset ${dataset}`,
    `--identity "$here/${IDENTITY}" --state "$here/producer/${dataset}"`,
    ...columns,
    ...dialect,
    '--source "$@"',
  ];
  return `${SHELL_HEAD}${FROM_THERE}
# publish.sh SOURCE [OPTIONS]; KAFKA_BROKERS or --brokers says where to.
exec $strongroom producer publish ${options.join(' \\\n  ')}
`;
}

export function readFile({ platform }: Answers): string {
  const simulated = platform === 'simulated' ? [`--simulated --roots "\${PLATFORM_ROOTS:?}"`] : [];
  const options = [
    ...simulated,
    `--contract "$here/${CONTRACT}" --identity "$here/${IDENTITY}" "$@"`,
  ];
  return `${SHELL_HEAD}${FROM_THERE}
# read-results.sh [OPTIONS]; KAFKA_BROKERS or --brokers says where from.
exec $strongroom analyst read ${options.join(' \\\n  ')}
`;
}
