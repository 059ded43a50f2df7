import { SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { LeaseStatementSchema, leasePath } from '@strongroom/protocol/lease';
import { demandSlice } from '@strongroom/protocol/slices';
import { readJsonFile } from '@strongroom/runtime/files';
import type { Command } from 'commander';
import { leafCommand, nounCommand, printResult } from './leaf-command.ts';
import { type LeaseOptions, leaseServiceOf } from './lease-service.ts';
import { wholeNumber } from './option-values.ts';
import { askService } from './owner-service.ts';
import { uploadContract } from './upload-contract.ts';

/** `strongroom lease …`: which worker may let results of a contract leave, by one owner's word. */
export function addLeaseCommands(program: Command): void {
  const lease = nounCommand(program, 'lease', 'which worker may let results leave');
  const of = '--contract contract.json --party north';
  leaseCommand(
    lease,
    'show',
    "print holder, epoch and state of an owner's lease",
    `strongroom lease show ${of} --token-file audit.token`,
  )
    .option('--slice <number>', 'that of a slice, instead of the worker that tells', wholeNumber)
    .action(show);
  leaseCommand(
    lease,
    'prepare',
    'give the service that keeps the lease the contract; `key policy set` does it where keys are',
    `strongroom lease prepare ${of} --token-file admin.token`,
  ).action(prepare);
}

function leaseCommand(parent: Command, verb: string, text: string, example: string): Command {
  return leafCommand(parent, verb, text, example)
    .requiredOption('--contract <file>', 'signed contract')
    .requiredOption('--party <id>', 'the owner whose lease it is')
    .requiredOption('--token-file <file>', "access token of that owner's service")
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones');
}

interface Options extends LeaseOptions {
  readonly json?: boolean;
}

const LeaseSchema = LeaseStatementSchema.omit({ v: true, owner: true, at: true });

async function show(options: Options & { readonly slice?: number }): Promise<void> {
  const { contract, contractId, owner, service } = await leaseServiceOf(options);
  const { slice } = options;
  demandSlice(contract, slice);
  const path = `/${leasePath(contractId, slice)}`;
  const answer = await askService(service, { method: 'GET', path });
  const parsed = LeaseSchema.safeParse(answer);
  if (!parsed.success) throw new StrongroomError('ERR_LEASE_INVALID', { party: owner });
  const { holder, epoch, state, from, to, successor } = parsed.data;
  const which = slice === undefined ? {} : { slice };
  const follows = successor === undefined ? {} : { successor };
  const lease = { holder, epoch, state, ...follows, from, to };
  const facts = { contract: contractId, ...which, owner, ...lease };
  const text = Object.entries(facts).map(([name, value]) => `${name}: ${value ?? 'nobody yet'}`);
  printResult(options.json, facts, text.join('\n'));
}

async function prepare(options: Options): Promise<void> {
  const { contractId, owner, service } = await leaseServiceOf(options);
  const signed = SignedContractSchema.parse(await readJsonFile(options.contract));
  await uploadContract(service, contractId, signed);
  const facts = { contract: contractId, owner, service: service.vault };
  printResult(options.json, facts, `${service.vault} knows contract ${contractId}`);
}
