import { join } from 'node:path';
import { shellWord } from '@strongroom/runtime/shell-word';
import { type Answers, isOwner, isReader } from './answers.ts';

/** What a person does next, and the command lines for it. */
export interface Step {
  readonly what: string;
  readonly run: readonly string[];
}

const CERTIFICATES = 'attestation-certs.json';
const MEASUREMENT = 'measurement.json';

/** @param missing files that a draft of others names and that did not come with it */
export function nextSteps(answers: Answers, missing: readonly string[]): Step[] {
  const at = (path: string) => shellWord(join(answers.folder, path));
  return [
    ...(isOwner(answers) ? ownersSteps(answers, at) : []),
    ...pinningSteps(answers, missing, at),
    ...draftSteps(answers, missing, at),
    ...runningSteps(answers, at),
    { what: 'See whether all is well', run: [`strongroom doctor --folder ${at('.')}`] },
  ];
}

type At = (path: string) => string;

function ownersSteps({ attestation, platform, keysUrl }: Answers, at: At): Step[] {
  const host = shellWord(new URL(keysUrl).hostname);
  const kind = platform === 'amd' ? '' : ` --platform ${platform}`;
  const roots = platform === 'simulated' ? 'PLATFORM_ROOTS=/path/to/platform ' : '';
  return [
    {
      what: `Put a certificate for ${host} at tls/server.crt, its key beside it; to try it out`,
      run: [
        'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \\',
        `  -subj /CN=${host} -addext subjectAltName=DNS:${host} \\`,
        `  -keyout ${at('tls/server.key')} -out ${at('tls/server.crt')}`,
      ],
    },
    {
      what: 'Say whose attestation your keys are released by, and start the service',
      run: [
        `strongroom attestation show --issuer ${shellWord(attestation)}${kind} \\`,
        `  --out ${at('key-release/authorities.json')}`,
        `${roots}sh ${at('start-key-release.sh')}`,
      ],
    },
    {
      what: 'Make your keys; their public halves go beside the draft',
      run: [`sh ${at('prepare-keys.sh')}`],
    },
  ];
}

/** One party does it for all; the others get the files with the draft. */
function pinningSteps({ attestation, join: draft }: Answers, missing: readonly string[], at: At) {
  const isNeeded = (file: string) => draft === undefined || missing.includes(file);
  const run = [
    ...(isNeeded(CERTIFICATES)
      ? [
          `strongroom attestation show --issuer ${shellWord(attestation)} --json \\`,
          `  > ${at(`contract/${CERTIFICATES}`)}`,
        ]
      : []),
    ...(isNeeded(MEASUREMENT)
      ? [`strongroom measure --json > ${at(`contract/${MEASUREMENT}`)}`]
      : []),
  ];
  return run.length === 0 ? [] : [{ what: 'Pin attestation and the worker, for all parties', run }];
}

function draftSteps(answers: Answers, missing: readonly string[], at: At): Step[] {
  const [draft, contract] = [at('contract/draft.json'), at('contract/contract.json')];
  const others = missing.filter((each) => each !== CERTIFICATES && each !== MEASUREMENT);
  const ask = `Ask the other parties for: ${others.join(', ')}`;
  return [
    ...(others.length === 0 ? [] : [{ what: ask, run: [] }]),
    {
      what: `Edit ${draft}, and pass its folder on; others join it`,
      run: ['strongroom init --join FOLDER/draft.json'],
    },
    {
      what: 'When all have joined: make the contract, see what it reveals, sign it',
      run: [
        `strongroom contract new --draft ${draft} --out ${contract}`,
        `strongroom contract check ${contract} --party ${answers.party}`,
        `strongroom contract sign --contract ${contract} --identity ${at('secrets/identity.json')}`,
      ],
    },
  ];
}

function runningSteps(answers: Answers, at: At): Step[] {
  const file = shellWord(answers.source ?? 'FILE');
  const allow = `sh ${at('allow-release.sh')}`;
  const publish = `sh ${at('publish.sh')} ${file}`;
  return [
    ...(isOwner(answers)
      ? [{ what: 'When all have signed: allow release, publish', run: [allow, publish] }]
      : []),
    ...(isReader(answers)
      ? [{ what: 'When the worker runs: read', run: [`sh ${at('read-results.sh')}`] }]
      : []),
  ];
}
