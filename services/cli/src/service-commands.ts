import process from 'node:process';
import type { Command } from 'commander';
import { factsOf, helpTail, leafCommand, nounCommand } from './leaf-command.ts';
import { helpOfService, type ServiceFolder, startService } from './start-service.ts';

/** A verb whose own program reads the arguments: its options, errors and signals are its own. */
interface ServiceVerb {
  readonly noun: string;
  readonly verb: string;
  readonly folder: ServiceFolder;
  readonly nounText: string;
  readonly verbText: string;
  readonly example: string;
  /** It runs on hardware and on the simulated platform; the latter has an entry of its own. */
  readonly simulable: boolean;
  /** Its entry file, when it is not the service itself. */
  readonly entry?: string;
  /** What its program calls the verb, when it is another one. */
  readonly own?: string;
  /** Arguments that make it this service. */
  readonly always?: readonly string[];
  readonly withoutJson?: string;
}

const LOGS_ONLY = 'a service prints no data; its log on stderr is JSON';

const ROWS = "an owner's rows";
const STREAM =
  '--contract contract.json --dataset flights-west \\\n' +
  '    --identity west.identity.json --state ./flights-west --brokers localhost:9092';

const VERBS: readonly ServiceVerb[] = [
  {
    noun: 'producer',
    verb: 'publish',
    folder: 'producer',
    nounText: ROWS,
    verbText: 'seal the rows of a file and publish them',
    example: `strongroom producer publish --source flights.parquet ${STREAM}`,
    simulable: false,
  },
  {
    noun: 'producer',
    verb: 'describe',
    folder: 'producer',
    nounText: ROWS,
    verbText: 'say which columns a file has, in the names and types of a contract',
    example: 'strongroom producer describe --source visits.csv',
    simulable: false,
  },
  {
    noun: 'producer',
    verb: 'retract',
    folder: 'producer',
    nounText: ROWS,
    verbText: 'take a published batch back',
    example: `strongroom producer retract --batch 17 ${STREAM}`,
    simulable: false,
  },
  {
    noun: 'producer',
    verb: 'heartbeat',
    folder: 'producer',
    nounText: ROWS,
    verbText: 'say that there is nothing new, so that windows close',
    example: `strongroom producer heartbeat --every 60 --wall-clock-lag 300000 ${STREAM}`,
    simulable: false,
  },
  {
    noun: 'worker',
    verb: 'start',
    folder: 'enclave-worker',
    nounText: 'the enclave worker',
    verbText: 'prove what runs, fetch the keys, compute',
    example:
      'strongroom worker start --contract contract.json --brokers localhost:9092 \\\n' +
      '    --access-token-file access-token',
    simulable: true,
  },
  {
    noun: 'key-release',
    verb: 'start',
    folder: 'key-release',
    nounText: "an owner's key release service",
    verbText: 'hold keys and release them to attested code only',
    example:
      'strongroom key-release start --owner north --data ./keys --access access.json \\\n' +
      '    --authorities authorities.json --master-key-file master-key \\\n' +
      '    --tls-cert tls.crt --tls-key tls.key',
    simulable: true,
    withoutJson: LOGS_ONLY,
  },
  {
    noun: 'key-release',
    verb: 'rewrap',
    folder: 'key-release',
    nounText: "an owner's key release service",
    verbText: 'wrap all keys under a new master key, while the service does not run',
    example:
      'strongroom key-release rewrap --owner north --data ./keys \\\n' +
      '    --master-key-file master-key --new-master-key-file next-master-key',
    simulable: false,
    entry: 'main.rewrap',
    withoutJson: 'it has no data to print; its log on stderr is JSON',
  },
  {
    noun: 'ledger',
    verb: 'start',
    folder: 'key-release',
    nounText: "privacy budgets of an owner's datasets",
    verbText: 'keep the ledger and its audit log alone, where the keys are in a vault of Azure',
    example:
      'strongroom ledger start --owner north --data ./ledger --authorities authorities.json \\\n' +
      '    --access access.json --master-key-file master-key --tls-cert tls.crt --tls-key tls.key',
    simulable: true,
    always: ['--without-keys'],
    withoutJson: LOGS_ONLY,
  },
  {
    noun: 'attestation',
    verb: 'start',
    folder: 'attestation',
    nounText: 'an attestation service',
    verbText: 'verify evidence and sign tokens',
    example:
      'strongroom attestation start --data ./attestation \\\n' +
      '    --issuer https://attest.north.example --tls-cert tls.crt --tls-key tls.key',
    simulable: true,
    withoutJson: LOGS_ONLY,
  },
  {
    noun: 'analyst',
    verb: 'read',
    folder: 'analyst',
    nounText: 'results',
    verbText: 'verify the proof of results, open them, show them',
    example:
      'strongroom analyst read --contract contract.json --identity authority.identity.json \\\n' +
      '    --brokers localhost:9092 --query daily-delay --proof',
    simulable: true,
  },
  {
    noun: 'analyst',
    verb: 'serve',
    folder: 'analyst',
    nounText: 'results',
    verbText: 'hand out a page that verifies and opens results in the browser',
    example:
      'strongroom analyst serve --contract contract.json --brokers localhost:9092\n' +
      '    then open the address that it says, and choose the identity file there',
    simulable: true,
  },
  {
    noun: 'analyst',
    verb: 'save',
    folder: 'analyst',
    nounText: 'results',
    verbText: 'save one result, still sealed, with everything that proves it',
    example:
      'strongroom analyst save --contract contract.json --brokers localhost:9092 \\\n' +
      '    --query daily-delay --emission 3 --out result.json',
    simulable: true,
  },
  {
    noun: 'analyst',
    verb: 'verify',
    folder: 'analyst',
    nounText: 'results',
    verbText: 'say what a saved result proves, and what it does not; no network',
    example: 'strongroom analyst verify result.json',
    simulable: true,
  },
  {
    noun: 'platform',
    verb: 'serve-sidecar',
    folder: 'attestation',
    nounText: 'the simulated platform (NOT HARDWARE)',
    verbText: "serve the routes of Azure's key release sidecar",
    example:
      'strongroom platform serve-sidecar --platform-dir .strongroom/platform --host-data HEX',
    simulable: false,
    entry: 'main.sidecar.insecure',
    own: 'start',
    withoutJson: LOGS_ONLY,
  },
];

const ENDED_BY_SIGNAL = { 1: 'a signal ended it' };

/** Starting a service: its own program gets the same arguments and is from then on the command. */
export function addServiceCommands(program: Command): void {
  for (const service of VERBS) {
    const noun =
      program.commands.find((each) => each.name() === service.noun) ??
      nounCommand(program, service.noun, service.nounText);
    const simulated = service.simulable ? ' (--simulated: on the platform without hardware)' : '';
    const text = `${service.verbText}${simulated}`;
    const reason = service.withoutJson === undefined ? {} : { withoutJson: service.withoutJson };
    const facts = { exits: ENDED_BY_SIGNAL, ownProgram: true, ...reason };
    const leaf = leafCommand(
      noun.enablePositionalOptions(),
      service.verb,
      text,
      service.example,
      facts,
    )
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .passThroughOptions()
      .argument('[arguments...]');
    leaf.action((args: string[]) =>
      asksForHelp(args) ? showHelp(service, leaf, args) : start(service, args),
    );
  }
}

const SIMULATED = '--simulated';

const asksForHelp = (args: readonly string[]) => args.includes('--help') || args.includes('-h');

/** By the words of a command, for docs/cli.md and completion. */
export async function readServiceHelp(path: string): Promise<string> {
  const service = VERBS.find(({ noun, verb }) => path === `${noun} ${verb}`);
  if (!service) return '';
  const { folder, entry, first } = runOf(service, []);
  const simulated = service.simulable ? `${SIMULATED_HELP}\n` : '';
  const help = await helpOfService(folder, entry, first);
  return help.replace(/^Options:\n/m, (line) => `${line}${simulated}`);
}

const SIMULATED_HELP = '  --simulated  run on the platform without hardware, which proves nothing';

/** The service's own help, under the name by which it was called, and what every help ends with. */
async function showHelp(
  service: ServiceVerb,
  leaf: Command,
  args: readonly string[],
): Promise<void> {
  const { folder, entry, first } = runOf(service, args);
  const help = await helpOfService(folder, entry, first);
  const named = help.replace(
    /^Usage: .*\[options\]/,
    `Usage: strongroom ${service.noun} ${service.verb} [options]`,
  );
  const facts = factsOf(leaf);
  const [own = ''] = named.split(/\nExamples?:\n/);
  process.stdout.write(`${own.trimEnd()}\n${facts ? helpTail(facts) : ''}\n`);
}

async function start(service: ServiceVerb, args: readonly string[]): Promise<void> {
  const { folder, entry, first, rest } = runOf(service, args);
  await startService(folder, entry, [first, ...(service.always ?? []), ...rest]);
}

function runOf(service: ServiceVerb, args: readonly string[]) {
  const simulated = service.simulable && args.includes(SIMULATED);
  return {
    folder: service.folder,
    entry: simulated ? 'main.insecure' : (service.entry ?? 'main'),
    first: service.own ?? service.verb,
    rest: simulated ? args.filter((arg) => arg !== SIMULATED) : args,
  };
}
