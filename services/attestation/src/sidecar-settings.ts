import { Sha256HexSchema } from '@strongroom/protocol/fields';
import { checkOptions, createProgram, parseArguments } from '@strongroom/runtime/arguments';
import { LOG_LEVELS } from '@strongroom/runtime/logger';
import { Option } from 'commander';
import { z } from 'zod';

/** What the command line of the simulated sidecar says. */
export interface SidecarSettings {
  readonly host: string;
  readonly port: number;
  readonly platformDir: string;
  /** 32 bytes in hex; keys are asked for in the name of the contract with this id. */
  readonly hostData: string;
  /** Authorities of key release services, instead of the system's. */
  readonly caFile?: string;
  readonly logLevel: string;
}

const OptionsSchema = z.strictObject({
  host: z.string().min(1),
  port: z.coerce.number().int().min(0).max(65_535),
  platformDir: z.string().min(1),
  hostData: Sha256HexSchema,
  caFile: z.exactOptional(z.string().min(1)),
  logLevel: z.enum(LOG_LEVELS),
});

/**
 * Reads `start --platform-dir …`.
 * @returns undefined when help was asked for and printed
 * @throws ERR_USAGE
 */
export function readSidecarSettings(args: readonly string[]): SidecarSettings | undefined {
  let settings: SidecarSettings | undefined;
  const program = createProgram(
    'sidecar',
    "SIMULATED: the routes of Azure's key release sidecar, without hardware",
  );
  program
    .command('start')
    .requiredOption('--platform-dir <folder>', 'folder of the simulated platform')
    .option('--host-data <hex>', 'HOST_DATA of every report: a contract id', '0'.repeat(64))
    .option('--ca-file <file>', 'PEM authorities of key release services')
    .option('--host <name>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0 picks a free one', '8080')
    .addOption(new Option('--log-level <level>').choices([...LOG_LEVELS]).default('info'))
    .action((options: unknown) => {
      settings = checkOptions(OptionsSchema, options);
    });
  parseArguments(program, args);
  return settings;
}
