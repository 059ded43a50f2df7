import type { Command } from 'commander';
import { nounCommand } from './leaf-command.ts';
import { type ServiceFolder, startService } from './start-service.ts';

interface ServiceVerb {
  readonly noun: string;
  readonly verb: string;
  readonly folder: ServiceFolder;
  readonly nounText: string;
  readonly verbText: string;
  /** It runs on hardware and on the simulated platform; the latter has an entry of its own. */
  readonly simulable: boolean;
  /** Its entry file, when it is not the service itself. */
  readonly entry?: string;
  /** Arguments that make it this service. */
  readonly always?: readonly string[];
}

const VERBS: readonly ServiceVerb[] = [
  {
    noun: 'producer',
    verb: 'publish',
    folder: 'producer',
    nounText: "an owner's rows",
    verbText: 'seal the rows of a file and publish them',
    simulable: false,
  },
  {
    noun: 'producer',
    verb: 'retract',
    folder: 'producer',
    nounText: "an owner's rows",
    verbText: 'take a published batch back',
    simulable: false,
  },
  {
    noun: 'producer',
    verb: 'heartbeat',
    folder: 'producer',
    nounText: "an owner's rows",
    verbText: 'say that there is nothing new, so that windows close',
    simulable: false,
  },
  {
    noun: 'worker',
    verb: 'start',
    folder: 'enclave-worker',
    nounText: 'the enclave worker',
    verbText: 'prove what runs, fetch the keys, compute',
    simulable: true,
  },
  {
    noun: 'key-release',
    verb: 'start',
    folder: 'key-release',
    nounText: "an owner's key release service",
    verbText: 'hold keys and release them to attested code only',
    simulable: true,
  },
  {
    noun: 'key-release',
    verb: 'rewrap',
    folder: 'key-release',
    nounText: "an owner's key release service",
    verbText: 'wrap all keys under a new master key, while the service does not run',
    simulable: false,
    entry: 'main.rewrap',
  },
  {
    noun: 'ledger',
    verb: 'start',
    folder: 'key-release',
    nounText: "privacy budgets of an owner's datasets",
    verbText: 'keep the ledger and its audit log alone, where the keys are in a vault of Azure',
    simulable: true,
    always: ['--without-keys'],
  },
  {
    noun: 'attestation',
    verb: 'start',
    folder: 'attestation',
    nounText: 'an attestation service',
    verbText: 'verify evidence and sign tokens',
    simulable: true,
  },
  {
    noun: 'analyst',
    verb: 'read',
    folder: 'analyst',
    nounText: 'results',
    verbText: 'verify the proof of results, open them, show them',
    simulable: true,
  },
];

/**
 * Starting a service: its own program gets the same arguments and is from then on the command, so
 * that its help, its errors and its signals are its own.
 */
export function addServiceCommands(program: Command): void {
  for (const service of VERBS) {
    const simulated = service.simulable ? ' (--simulated: on the platform without hardware)' : '';
    const noun =
      program.commands.find((each) => each.name() === service.noun) ??
      nounCommand(program, service.noun, service.nounText);
    noun
      .enablePositionalOptions()
      .command(service.verb)
      .description(`${service.verbText}${simulated}; --help lists its options`)
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .passThroughOptions()
      .argument('[arguments...]')
      .action((args: string[]) => start(service, args));
  }
}

const SIMULATED = '--simulated';

async function start(service: ServiceVerb, args: readonly string[]): Promise<void> {
  const simulated = service.simulable && args.includes(SIMULATED);
  const own = simulated ? args.filter((arg) => arg !== SIMULATED) : args;
  const entry = simulated ? 'main.insecure' : (service.entry ?? 'main');
  await startService(service.folder, entry, [service.verb, ...(service.always ?? []), ...own]);
}
