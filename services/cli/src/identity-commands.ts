import { StrongroomError } from '@strongroom/protocol/errors';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { readTextFile } from '@strongroom/runtime/files';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import type { Command } from 'commander';
import { leafCommand, nounCommand, printResult } from './leaf-command.ts';
import { makeNewFile } from './new-file.ts';

/** `strongroom identity …`: a party's own keys. Only their public halves are ever printed. */
export function addIdentityCommands(program: Command): void {
  const identity = nounCommand(program, 'identity', "a party's own private keys");
  leafCommand(
    identity,
    'new',
    'make the private keys of a party and print the public ones',
    'strongroom identity new --party north --out north.identity.json --json > north.public.json',
  )
    .requiredOption('--party <id>', 'party id in contracts: a-z, 0-9 and hyphens')
    .option('--reader', 'also make the key that results are sealed to')
    .requiredOption('--out <file>', 'identity file, readable by you alone; never overwritten')
    .action(newIdentity);
  leafCommand(
    identity,
    'show',
    'print the public keys of an identity file',
    'strongroom identity show --identity north.identity.json --json',
  )
    .requiredOption('--identity <file>', 'identity file')
    .action(showIdentity);
}

interface NewOptions {
  readonly party: string;
  readonly reader?: boolean;
  readonly out: string;
  readonly json?: boolean;
}

async function newIdentity(options: NewOptions): Promise<void> {
  const party = PartyIdSchema.safeParse(options.party);
  if (!party.success) {
    const problem = `--party ${options.party}: ${party.error.issues[0]?.message ?? 'no party id'}`;
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const made = await createIdentity(party.data, { reading: options.reader === true });
  await makeNewFile(options.out, made.identityJson);
  const readingKey = made.readingKey === undefined ? {} : { readingKey: made.readingKey };
  const shown = { party: party.data, signingKey: made.signingKey, ...readingKey };
  printResult(options.json, shown, `${publicText(shown)}\nprivate keys: ${options.out}`);
}

async function showIdentity(options: { identity: string; json?: boolean }): Promise<void> {
  const identity = parseIdentity(await readTextFile(options.identity));
  const readingKey = identity.reader === undefined ? {} : { readingKey: identity.reader.publicKey };
  const shown = { party: identity.party, signingKey: identity.signer.publicKey, ...readingKey };
  printResult(options.json, shown, publicText(shown));
}

interface PublicIdentity {
  readonly party: string;
  readonly signingKey: object;
  readonly readingKey?: object;
}

function publicText(shown: PublicIdentity): string {
  const reading = shown.readingKey ? [`reading key: ${JSON.stringify(shown.readingKey)}`] : [];
  const signing = `signing key: ${JSON.stringify(shown.signingKey)}`;
  return [`party: ${shown.party}`, signing, ...reading].join('\n');
}
