import {
  addRevocationOptions,
  REVOCATION_SETTINGS,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
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

/** What the command line says. */
export interface Settings extends RevocationSettings {
  readonly host: string;
  readonly port: number;
  /** The `iss` of tokens; the service's own URL when it is absent. */
  readonly issuer?: string;
  /** Holds the signing key and the attestation policies. */
  readonly data: string;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly logLevel: string;
  /** Where traces go to. */
  readonly otlp?: string;
  /** File with the appraisal policy. */
  readonly policy?: string;
  /** File with the tokens that may change attestation policies; nobody may without it. */
  readonly adminTokenFile?: string;
  /** PEM file; with it an attestation policy has to be signed by one of these certificates. */
  readonly policyCertificates?: string;
  /** File or folder with the public part of a simulated platform; only for main.insecure. */
  readonly roots?: string;
}

const OptionsSchema = z.strictObject({
  host: z.string().min(1),
  port: z.coerce.number().int().min(0).max(65_535),
  issuer: z.exactOptional(
    z.url({ protocol: /^https?$/ }).refine((text) => !text.endsWith('/'), 'no slash at the end'),
  ),
  data: z.string().min(1),
  tlsCert: z.exactOptional(z.string().min(1)),
  tlsKey: z.exactOptional(z.string().min(1)),
  logLevel: z.enum(LOG_LEVELS),
  otlp: OtlpSchema,
  policy: z.exactOptional(z.string().min(1)),
  ...REVOCATION_SETTINGS,
  adminTokenFile: z.exactOptional(z.string().min(1)),
  policyCertificates: z.exactOptional(z.string().min(1)),
  roots: z.exactOptional(z.string().min(1)),
});

/**
 * Reads `start --host … --port …`.
 * @returns undefined when help was asked for and printed
 * @throws ERR_USAGE with the argument that is wrong
 */
export function readSettings(args: readonly string[], simulated: boolean): Settings | undefined {
  let settings: Settings | undefined;
  const program = attestationProgram(simulated, (options) => {
    settings = parseOptions(options);
  });
  parseArguments(program, args);
  return settings;
}

function attestationProgram(simulated: boolean, start: (options: unknown) => void): Command {
  const program = createProgram(
    'attestation',
    'Evidence in, signed token out: the REST shape of Microsoft Azure Attestation',
  );
  const command = program
    .command('start')
    .description(simulated ? 'believe a SIMULATED platform' : 'believe AMD SEV-SNP hardware')
    .option('--host <name>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0 picks a free one', '8480')
    .option('--issuer <url>', "the iss of tokens; default: the service's own URL")
    .requiredOption('--data <folder>', 'holds the signing key and the policies')
    .option('--tls-cert <file>', 'PEM certificate chain')
    .option('--tls-key <file>', 'PEM private key')
    .option('--policy <file>', 'JSON: demands on every evidence; default: whatever is genuine')
    .option('--admin-token-file <file>', 'tokens that may set attestation policies, one a line')
    .option('--policy-certificates <file>', 'PEM: attestation policies must be signed by these')
    .option(...OTLP_OPTION)
    .addOption(new Option('--log-level <level>').choices([...LOG_LEVELS]).default('info'))
    .action((options: unknown) => start(options));
  addRevocationOptions(command);
  if (simulated) {
    command.requiredOption(
      '--roots <path>',
      'public roots of the simulated platform, or its folder',
    );
  }
  return program;
}

function parseOptions(options: unknown): Settings {
  const { tlsCert, tlsKey, ...settings } = checkOptions(OptionsSchema, options);
  readRevocationSettings(settings);
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw usageError('--tls-cert and --tls-key belong together');
  }
  if (tlsCert === undefined || tlsKey === undefined) return settings;
  return { ...settings, tls: { certFile: tlsCert, keyFile: tlsKey } };
}
