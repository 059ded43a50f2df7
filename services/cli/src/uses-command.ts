import { StrongroomError } from '@strongroom/protocol/errors';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { systemClock } from '@strongroom/runtime/clock';
import { readTextFile } from '@strongroom/runtime/files';
import { parseIdentity } from '@strongroom/sealing/identity';
import { compareUses, type UseComparison } from '@strongroom/sealing/use-chain';
import { verifyContract } from '@strongroom/sealing/verify';
import { type Command, Option } from 'commander';
import { readJsonFile } from './contract-draft.ts';
import { rootsFor } from './evidence-platform.ts';
import { leafCommand, printNotice, printResult } from './leaf-command.ts';
import { type ReadUses, readUses, type UseAuthors } from './read-uses.ts';
import { copyOf, readCopy } from './uses-copy.ts';
import { usesText } from './uses-text.ts';

/** `strongroom uses`: what became of an owner's data, by the vaults' own word. */
export function addUsesCommand(program: Command): void {
  leafCommand(
    program,
    'uses',
    "verify and print an owner's ledger of uses; exit code 0 only if it is one whole chain",
    'strongroom uses --contract contract.json --identity north.identity.json \\\n' +
      '    --brokers localhost:9092 --compare south.uses.json',
  )
    .requiredOption('--contract <file>', 'signed contract')
    .requiredOption('--identity <file>', 'identity file with the reading key')
    .addOption(new Option('--brokers <list>', 'HOST:PORT,…').env('KAFKA_BROKERS'))
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--heads', 'print what another owner can compare: signed seals, and nothing sealed')
    .option(
      '--compare <file>',
      "another owner's --heads, or own ones of earlier: find where two histories part",
    )
    .option('--simulated-roots <file>', 'public roots of a SIMULATED platform, or its folder')
    .action(showUses);
}

interface UsesOptions {
  readonly contract: string;
  readonly identity: string;
  readonly brokers?: string;
  readonly namespace: string;
  readonly heads?: boolean;
  readonly compare?: string;
  readonly simulatedRoots?: string;
  readonly json?: boolean;
}

async function showUses(options: UsesOptions): Promise<void> {
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const roots = rootsFor(contract, options.simulatedRoots);
  const authors = { contract, contractId, roots, clock: systemClock };
  // A copy that is older than what is read next: nothing that it names may be missing there.
  const theirs =
    options.compare === undefined
      ? undefined
      : await readCopy(await readJsonFile(options.compare), authors);
  const uses = await readFrom(options, authors);
  for (const { offset, code } of uses.refused) printNotice(`record ${offset} set aside: ${code}`);
  if (options.heads) return printResult(true, copyOf(uses, authors), '');
  const comparison = theirs && { with: theirs.owner, ...compareUses(uses.chain, theirs) };
  printResult(options.json, factsOf(uses, comparison), textOf(uses, comparison));
}

async function readFrom(options: UsesOptions, authors: UseAuthors): Promise<ReadUses> {
  const { party, reader } = parseIdentity(await readTextFile(options.identity));
  const owner = ownersWithUses(authors.contract).find(({ id }) => id === party);
  if (!owner || !reader) throw new StrongroomError('ERR_USES_ABSENT', { party });
  const brokers = (options.brokers ?? '').split(',');
  if (!brokers.every((each) => /^\S+:[0-9]{1,5}$/.test(each))) {
    const problem = '--brokers or KAFKA_BROKERS: HOST:PORT, several with commas';
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const log = await connectKafkaLog({ brokers, clientId: 'strongroom-uses' });
  try {
    const who = { id: owner.id, secretReader: reader };
    return await readUses(log, who, { ...authors, namespace: options.namespace });
  } finally {
    await log.close();
  }
}

type Comparison = UseComparison & { readonly with: string };

function factsOf({ chain, entries, refused }: ReadUses, comparison: Comparison | undefined) {
  return {
    owner: chain.owner,
    head: chain.head,
    entries: entries.map(({ seal, facts, worker }) => ({
      sequence: seal.sequence,
      epoch: seal.epoch,
      checkpoint: seal.checkpoint,
      measurement: worker.measurementName,
      facts,
    })),
    refused,
    ...(comparison === undefined ? {} : { comparison }),
  };
}

function textOf(uses: ReadUses, comparison: Comparison | undefined): string {
  if (!comparison) return usesText(uses);
  const { agreements, missingInTheirs } = comparison;
  const agreed = `one history with ${comparison.with}: ${agreements} places agree`;
  const older = `; its copy lacks ${missingInTheirs} entries that are named here: get a newer one`;
  return `${usesText(uses)}\n${agreed}${missingInTheirs > 0 ? older : ''}`;
}
