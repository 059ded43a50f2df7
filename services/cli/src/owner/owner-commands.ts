import { addRevocationOptions } from '@strongroom/attestation/platforms/revocation';
import { addPageOptions } from '@strongroom/page/server/page-options';
import { LOG_LEVELS } from '@strongroom/runtime/logger';
import { type Command, Option } from 'commander';
import { leafCommand, nounCommand } from '../leaf-command.ts';
import { brokersOption, kafkaConfigOption } from '../option-values.ts';
import type { OwnerServeOptions } from './serve-owner.ts';
import { verifyBundle } from './verify-bundle.ts';

/** `strongroom owner …`: what an owner looks at, and what it shows to others. */
export function addOwnerCommands(program: Command): void {
  const owner = nounCommand(program, 'owner', "what becomes of an owner's data, on one page");
  addServeCommand(owner);
  leafCommand(
    owner,
    'verify',
    'check a bundle of proofs that the page has saved; no network, no key',
    'strongroom owner verify north.proofs.json',
    { exits: { 77: 'something in it is not what it has to be' } },
  )
    .argument('<file>', 'the bundle')
    .option('--simulated-roots <file>', 'public roots of a SIMULATED platform, or its folder')
    .option('--revocation-list <files...>', "AMD's lists in DER, to hold the machine to")
    .action(verifyBundle);
}

const PAGE_PORT = 8481;

function addServeCommand(owner: Command): void {
  const command = leafCommand(
    owner,
    'serve',
    'show on a page what was sent and counted, who asked for keys, budgets, contract and proofs; ' +
      'end the contract there',
    'strongroom owner serve --contract contract.json --party north --token-file audit.token \\\n' +
      '    --admin-token-file admin.token --identity north.identity.json \\\n' +
      '    --brokers localhost:9092\n' +
      '    then open the address that it says',
  )
    .requiredOption('--contract <files...>', 'signed contract, and all versions before it')
    .requiredOption('--party <id>', 'the owner whose page it is')
    .requiredOption('--token-file <file>', "token of that owner's service with the right `audit`")
    .option('--admin-token-file <file>', "administrator's token: the page can end the contract")
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .option('--identity <file>', 'identity file with the reading key: opens the ledger of uses')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--worker <url>', "ask the worker's own HTTP address for evidence, not the log")
    .option('--amendment <files...>', 'versions that not all have signed yet')
    .option('--simulated-roots <file>', 'public roots of a SIMULATED platform, or its folder');
  addRevocationOptions(command);
  addPageOptions(command, PAGE_PORT)
    .option(
      '--address-file <file>',
      'write the address there, for its owner alone; print no secret',
    )
    .addOption(
      new Option('--log-level <level>', 'of the log on stderr').choices(LOG_LEVELS).default('warn'),
    )
    .action(async (options: OwnerServeOptions) => {
      // A server and its libraries: no other command waits for them.
      const { serveOwner } = await import('./serve-owner.ts');
      await serveOwner(options);
    });
}
