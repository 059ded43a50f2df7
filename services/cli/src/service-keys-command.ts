import { PLATFORM_KINDS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { readTextFile, writeFileAtomic } from '@strongroom/runtime/files';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { probe } from './doctor/probe-url.ts';
import { leafCommand, printResult } from './leaf-command.ts';
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
    .action(showAttestation);
}

interface TrustOptions {
  readonly caFile?: string;
  readonly json?: boolean;
}

async function showKeyRelease({ vault, ...options }: TrustOptions & { vault: string }) {
  const document = await askForKeys(vault, '/.well-known/strongroom', options);
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
  const keys = publicKeysOf(await askForKeys(issuer, '/certs', options), issuer);
  if (out !== undefined) {
    await writeFileAtomic(out, `${JSON.stringify([{ issuer, keys, platform }], null, 2)}\n`);
  }
  const lines = keys.map((each) => JSON.stringify(each));
  printResult(options.json, { issuer, keys }, [issuer, ...lines].join('\n'));
}

const ANSWER_MS = 10_000;

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
