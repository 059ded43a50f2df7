import {
  addRevocationOptions,
  REVOCATION_SETTINGS,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import {
  checkOptions,
  createProgram,
  parseArguments,
  usageError,
} from '@strongroom/runtime/arguments';
import { LOG_LEVELS } from '@strongroom/runtime/logger';
import { OTLP_OPTION, OtlpSchema } from '@strongroom/runtime/otlp-option';
import { type Command, Option } from 'commander';
import { z } from 'zod';

/** What the command line says; the files that it names are read when the service starts. */
export type Settings = z.infer<typeof OptionsSchema>;

const file = z.string().min(1);

const OptionsSchema = z.strictObject({
  owner: PartyIdSchema,
  host: z.string().min(1),
  port: z.coerce.number().int().min(0).max(65_535),
  publicUrl: z.exactOptional(
    z.url({ protocol: /^https?$/ }).refine((text) => !text.endsWith('/'), 'no slash at the end'),
  ),
  data: file,
  authorities: file,
  access: z.exactOptional(file),
  accessTokenFile: z.exactOptional(file),
  adminTokenFile: z.exactOptional(file),
  auditTokenFile: z.exactOptional(file),
  masterKeyFile: z.exactOptional(file),
  masterKey: z.exactOptional(file),
  tlsCert: z.exactOptional(file),
  tlsKey: z.exactOptional(file),
  killList: z.exactOptional(file),
  ...REVOCATION_SETTINGS,
  otlp: OtlpSchema,
  logLevel: z.enum(LOG_LEVELS),
  withoutKeys: z.exactOptional(z.boolean()),
  /** Only for main.insecure. */
  roots: z.exactOptional(file),
});

const MASTER_KEY_VARIABLE = 'STRONGROOM_MASTER_KEY_FILE';

/**
 * Reads `start --owner … --data …`.
 * @returns undefined when help was asked for and printed
 * @throws ERR_USAGE with the argument that is wrong
 */
export function readSettings(args: readonly string[], simulated: boolean): Settings | undefined {
  return parseCommand(args, OptionsSchema, (program) => addStart(program, simulated), demandWhole);
}

/** One command of a program, its options by a shape, and what the shape cannot say. */
export function parseCommand<T>(
  args: readonly string[],
  shape: z.ZodType<T>,
  add: (program: Command) => Command,
  demand: (settings: T) => void,
): T | undefined {
  let settings: T | undefined;
  const program = createProgram(
    'key-release',
    "An owner's keys, released to attested code only, in Azure Key Vault's REST shape",
  );
  add(program).action((options: unknown) => {
    const read = checkOptions(shape, options);
    demand(read);
    settings = read;
  });
  parseArguments(program, args);
  return settings;
}

function addStart(program: Command, simulated: boolean): Command {
  const command = program
    .command('start')
    .description(`hold the keys of one owner${simulated ? '; believe a SIMULATED platform' : ''}`)
    .requiredOption('--owner <party>', 'whose keys these are: a party of the contract')
    .option('--host <name>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0 picks a free one', '8470')
    .option('--public-url <url>', 'how clients reach it; default: where it listens')
    .requiredOption('--data <folder>', 'holds the database')
    .requiredOption(
      '--authorities <file>',
      'JSON list of {issuer, keys, platform}: whom to believe',
    )
    .option('--access <file>', 'JSON of the callers: tokens, identity providers, certificates')
    .option('--access-token-file <file>', 'tokens that may release keys, one a line')
    .option('--admin-token-file <file>', 'tokens that may administer keys, one a line')
    .option('--audit-token-file <file>', 'tokens that may read the audit log, one a line')
    .option('--without-keys', 'keep the ledger and the audit log alone, beside another vault')
    .option('--kill-list <file>', 'JSON of chips, products, versions that get no key from now on')
    .option('--tls-cert <file>', 'PEM certificate chain')
    .option('--tls-key <file>', 'PEM private key')
    .option(...OTLP_OPTION)
    .addOption(new Option('--log-level <level>').choices([...LOG_LEVELS]).default('info'));
  addRevocationOptions(command);
  if (simulated) {
    command.requiredOption(
      '--roots <path>',
      'public roots of the simulated platform, or its folder',
    );
  }
  return masterKeyOptions(command);
}

export function masterKeyOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--master-key-file <file>', 'base64url of 32 bytes, mode 0600').env(
        MASTER_KEY_VARIABLE,
      ),
    )
    .option('--master-key <file>', 'JSON that names the key of a PKCS#11 token or a cloud vault');
}

function demandWhole(settings: Settings): void {
  const { access, accessTokenFile, adminTokenFile, tlsCert, tlsKey } = settings;
  if (access === undefined && (accessTokenFile === undefined || adminTokenFile === undefined)) {
    throw usageError('--access, or --access-token-file and --admin-token-file');
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw usageError('--tls-cert and --tls-key belong together');
  }
  readRevocationSettings(settings);
  demandOne('--master-key-file', settings.masterKeyFile, '--master-key', settings.masterKey);
}

/** @throws ERR_USAGE unless exactly one of two options is given */
export function demandOne(
  one: string,
  first: string | undefined,
  other: string,
  second: string | undefined,
): void {
  if ((first === undefined) === (second === undefined))
    throw usageError(`either ${one} or ${other}`);
}
