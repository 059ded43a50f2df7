import { readJsonFile } from '@strongroom/runtime/files';
import { compareUses, type UseComparison } from '@strongroom/sealing/use-chain';
import type { Command } from 'commander';
import { leafCommand, printNotice, printResult } from './leaf-command.ts';
import { addOwnerLogOptions, asOwner, type OwnerLogOptions, trustOf } from './owner-log.ts';
import { type ReadUses, readUses } from './read-uses.ts';
import { copyOf, readCopy } from './uses-copy.ts';
import { usesText } from './uses-text.ts';

/** `strongroom uses`: what became of an owner's data, by the vaults' own word. */
export function addUsesCommand(program: Command): void {
  const uses = leafCommand(
    program,
    'uses',
    "verify and print an owner's ledger of uses; exit code 0 only if it is one whole chain",
    'strongroom uses --contract contract.json --identity north.identity.json \\\n' +
      '    --brokers localhost:9092 --compare south.uses.json',
    { exits: { 77: 'it is not one whole chain, or two histories part' } },
  );
  addOwnerLogOptions(uses)
    .option('--heads', 'print what another owner can compare: signed seals, and nothing sealed')
    .option(
      '--compare <file>',
      "another owner's --heads, or own ones of earlier: find where two histories part",
    )
    .action(showUses);
}

interface UsesOptions extends OwnerLogOptions {
  readonly heads?: boolean;
  readonly compare?: string;
  readonly json?: boolean;
}

async function showUses(options: UsesOptions): Promise<void> {
  const authors = await trustOf(options);
  // A copy that is older than what is read next: nothing that it names may be missing there.
  const theirs =
    options.compare === undefined
      ? undefined
      : await readCopy(await readJsonFile(options.compare), authors);
  const uses = await asOwner(options, authors, 'ERR_USES_ABSENT', (log, owner) =>
    readUses(log, owner, { ...authors, namespace: options.namespace }),
  );
  for (const { offset, code } of uses.refused) printNotice(`record ${offset} set aside: ${code}`);
  if (options.heads) return printResult(true, copyOf(uses, authors), '');
  const comparison = theirs && { with: theirs.owner, ...compareUses(uses.chain, theirs) };
  printResult(options.json, factsOf(uses, comparison), textOf(uses, comparison));
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
