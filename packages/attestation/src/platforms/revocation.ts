import { StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';
import type { RootSet } from '../roots.ts';
import type { Revocation, VerificationClock } from '../verify.ts';
import { openRevocationSource } from './revocation-source.ts';

/**
 * AMD's revocation lists on a command line: the same options for everybody who verifies evidence.
 */

const CRL_MODES = ['optional', 'required'] as const;

/** Flags and what they do, for the command's help. */
const OPTIONS: readonly (readonly [flags: string, text: string])[] = [
  ['--crl <when>', `look at AMD's revocation lists: ${CRL_MODES.join(' or ')}; default: no`],
  ['--kds <url>', "a mirror of AMD's key distribution service"],
  ['--endorsements-cache <folder>', 'keeps revocation lists over restarts'],
  ['--endorsements-offline <file>', 'bundle of lists (or such a folder); ask nobody'],
];

interface WithOptions {
  option(flags: string, text: string): unknown;
}

/** Behind those that the command has already. */
export function addRevocationOptions<Command extends WithOptions>(command: Command): Command {
  for (const [flags, text] of OPTIONS) command.option(flags, text);
  return command;
}

const path = z.exactOptional(z.string().min(1));

/** The members of settings that these options become. */
export const REVOCATION_SETTINGS = {
  crl: z.exactOptional(z.enum(CRL_MODES)),
  kds: z.exactOptional(z.url({ protocol: /^https?$/ })),
  endorsementsCache: path,
  endorsementsOffline: path,
};

const RevocationSettingsSchema = z.strictObject(REVOCATION_SETTINGS);
export type RevocationSettings = z.infer<typeof RevocationSettingsSchema>;

/**
 * Picks these options out of the others.
 * @throws ERR_USAGE with the option that is wrong, also for a place of lists without `--crl`
 */
export function readRevocationSettings(options: object): RevocationSettings {
  const own = Object.entries(options).filter(([name]) => Object.hasOwn(REVOCATION_SETTINGS, name));
  const parsed = RevocationSettingsSchema.safeParse(Object.fromEntries(own));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw usage(`${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { crl, kds, endorsementsCache, endorsementsOffline } = parsed.data;
  if (crl === undefined && (kds ?? endorsementsCache ?? endorsementsOffline) !== undefined) {
    throw usage('where lists come from means nothing without --crl');
  }
  return parsed.data;
}

/**
 * @returns nothing without `--crl`: then no list counts, and a contract that demands one is refused
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID, ERR_LIMIT_EXCEEDED for a bundle
 */
export async function openRevocation(
  { crl, kds, endorsementsCache, endorsementsOffline }: RevocationSettings,
  { roots, clock }: { readonly roots: RootSet; readonly clock: VerificationClock },
): Promise<{ revocation?: Revocation }> {
  if (crl === undefined) return {};
  const source = await openRevocationSource({
    roots,
    clock,
    ...(kds === undefined ? {} : { kdsOrigin: kds }),
    ...(endorsementsCache === undefined ? {} : { cache: endorsementsCache }),
    ...(endorsementsOffline === undefined ? {} : { bundle: endorsementsOffline }),
  });
  const requireRevocationList = crl === 'required';
  return {
    revocation: {
      listsFor: async (evidence) => ({
        revocationLists: await source.listsFor(evidence),
        requireRevocationList,
        revocationClock: clock,
      }),
    },
  };
}

function usage(problem: string): StrongroomError {
  return new StrongroomError('ERR_USAGE', { problem });
}
