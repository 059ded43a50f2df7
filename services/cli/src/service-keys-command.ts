import { setTimeout as delay } from 'node:timers/promises';
import { PLATFORM_KINDS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { probe } from './doctor/probe-url.ts';
import { leafCommand, printResult } from './leaf-command.ts';
import { seconds } from './option-values.ts';
import { publicKeyOf, publicKeysOf } from './public-key-file.ts';

/** `key-release show`, `attestation show`: the public keys by which a service is believed. */
export function addServiceKeysCommands(program: Command): void {
  const noun = (name: string) => program.commands.find((each) => each.name() === name) ?? program;
  leafCommand(
    noun('key-release'),
    'show',
    'print whose keys a service holds, and the public key with which it signs what it releases',
    'strongroom key-release show --vault https://keys.north.example --json > release-key.json',
  )
    .requiredOption('--vault <url>', 'key release service')
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .option(...WAIT)
    .action(showKeyRelease);
  leafCommand(
    noun('attestation'),
    'show',
    'print the public keys of an attestation service, for contracts and for key release',
    'strongroom attestation show --issuer https://attest.example --json > certs.json\n' +
      '  strongroom attestation show --issuer https://attest.example --out authorities.json',
  )
    .requiredOption('--issuer <url>', 'the service, as its tokens name it')
    .addOption(
      new Option('--platform <kind>', 'what it may attest, in the file of --out')
        .choices([...PLATFORM_KINDS])
        .default('amd'),
    )
    .option('--out <file>', 'also write what `strongroom key-release start --authorities` reads')
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .option(...WAIT)
    .action(showAttestation);
}

/** For scripts that have just started it. */
const WAIT = [
  '--wait <seconds>',
  'so long, if it does not answer yet (default 0)',
  seconds,
] as const;

interface TrustOptions {
  readonly caFile?: string;
  readonly wait?: number;
  readonly json?: boolean;
}

async function showKeyRelease({ vault, ...options }: TrustOptions & { vault: string }) {
  const document = await awaitKeys(vault, '/.well-known/strongroom', options);
  const owner = z.looseObject({ owner: z.string() }).safeParse(document).data?.owner;
  const releaseKey = publicKeyOf(document, 'releaseKey', vault);
  const facts = { owner, releaseKey };
  printResult(options.json, facts, `${owner}\n${JSON.stringify(releaseKey)}`);
}

interface AttestationOptions extends TrustOptions {
  readonly issuer: string;
  readonly platform: string;
  readonly out?: string;
}

async function showAttestation({ issuer, platform, out, ...options }: AttestationOptions) {
  const keys = publicKeysOf(await awaitKeys(issuer, '/certs', options), issuer);
  if (out !== undefined) {
    await writeFileAtomic(out, `${JSON.stringify([{ issuer, keys, platform }], null, 2)}\n`);
  }
  const lines =
    out === undefined ? keys.map((each) => JSON.stringify(each)) : [`written to ${out}`];
  printResult(options.json, { issuer, keys }, [issuer, ...lines].join('\n'));
}

const ANSWER_MS = 10_000;
const AGAIN_AFTER_MS = 200;

/** Asks again while nobody answers; what is wrong with an answer does not become right. */
async function awaitKeys(base: string, path: string, options: TrustOptions): Promise<unknown> {
  const until = systemClock.monotonic() + (options.wait ?? 0) * 1_000;
  for (;;) {
    try {
      return await askForKeys(base, path, options);
    } catch (error) {
      if (!isAway(error) || systemClock.monotonic() >= until) throw error;
      await delay(AGAIN_AFTER_MS);
    }
  }
}

/** Nobody answers; one who is not trusted is there, and a reason says so. */
function isAway(error: unknown): boolean {
  if (!(error instanceof StrongroomError)) return false;
  return error.code === 'ERR_SERVICE_UNREACHABLE' && error.facts['reason'] === undefined;
}

/** @throws ERR_USAGE, ERR_SERVICE_UNREACHABLE also for one that is not trusted */
async function askForKeys(base: string, path: string, { caFile }: TrustOptions): Promise<unknown> {
  const url = URL.parse(`${base.replace(/\/$/, '')}${path}`);
  if (url?.protocol !== 'https:') {
    throw new StrongroomError('ERR_USAGE', { problem: `an https URL, not ${base}` });
  }
  const trust = caFile === undefined ? {} : { ca: await readTextFile(caFile) };
  const answer = await probe(url, { ...trust, timeoutMs: ANSWER_MS, clock: systemClock });
  const reason = answer?.tls?.problem;
  if (answer?.status !== 200 || reason !== undefined) {
    const facts = reason === undefined ? {} : { reason };
    throw new StrongroomError('ERR_SERVICE_UNREACHABLE', { url: url.href, ...facts });
  }
  try {
    return JSON.parse(answer.body);
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED', { url: url.href });
  }
}
