import { PartyIdSchema } from '@strongroom/protocol/fields';
import { z } from 'zod';
import { demandOne, masterKeyOptions, parseCommand } from '../settings.ts';

const file = z.string().min(1);
const OptionsSchema = z.strictObject({
  owner: PartyIdSchema,
  data: file,
  masterKeyFile: z.exactOptional(file),
  masterKey: z.exactOptional(file),
  newMasterKeyFile: z.exactOptional(file),
  newMasterKey: z.exactOptional(file),
});
type RewrapSettings = z.infer<typeof OptionsSchema>;

/**
 * Reads `rewrap --owner … --data … --master-key-file … --new-master-key …`.
 * @returns undefined when help was asked for and printed
 * @throws ERR_USAGE with the argument that is wrong
 */
export function readRewrapSettings(args: readonly string[]): RewrapSettings | undefined {
  return parseCommand(
    args,
    OptionsSchema,
    (program) => {
      const command = program
        .command('rewrap')
        .description('wrap all keys under a new master key; the service must not run')
        .requiredOption('--owner <party>', 'whose keys these are')
        .requiredOption('--data <folder>', 'holds the database');
      masterKeyOptions(command)
        .option('--new-master-key-file <file>', 'base64url of 32 bytes, mode 0600')
        .option('--new-master-key <file>', 'JSON that names a token’s or a vault’s key');
      return command;
    },
    (settings) => {
      demandOne('--master-key-file', settings.masterKeyFile, '--master-key', settings.masterKey);
      const { newMasterKeyFile, newMasterKey } = settings;
      demandOne('--new-master-key-file', newMasterKeyFile, '--new-master-key', newMasterKey);
    },
  );
}
