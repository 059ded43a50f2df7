import { createPublicKey, generateKeyPair } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { DatasetIdSchema, PartyIdSchema } from '@strongroom/protocol/fields';
import { KEY_HOLDERS_MAX } from '@strongroom/protocol/limits';
import { makePrivateFolder, readTextFile } from '@strongroom/runtime/files';
import { splitPrivateKey } from '@strongroom/sealing/key-shares';
import type { Command } from 'commander';
import { z } from 'zod';
import { leafCommand, printResult } from './leaf-command.ts';
import { makeNewFile } from './new-file.ts';

const RSA_BITS = 3_072;

/** `strongroom key split`: a dataset's key that nobody has, and a share of it for each holder. */
export function addSplitCommand(keys: Command): void {
  leafCommand(
    keys,
    'split',
    "make a dataset's key, of which each holder gets a share; the key itself is kept nowhere",
    'strongroom key split --dataset flights-north --threshold 2 \\\n' +
      '    --holders north,south,registry --out shares --json > flights-north.split.json',
  )
    .requiredOption('--dataset <id>', 'dataset id in the contract')
    .requiredOption('--threshold <k>', 'so many holders make the key together, 2 or more', Number)
    .requiredOption('--holders <parties>', 'party ids, with commas; the owner may be one')
    .requiredOption('--out <folder>', 'for a share file of each holder; never overwritten')
    .action(splitKey);
}

interface SplitOptions {
  readonly dataset: string;
  readonly threshold: number;
  readonly holders: string;
  readonly out: string;
  readonly json?: boolean;
}

/** What a share file holds: a symmetric JWK, and for whom it is. */
const ShareFileSchema = z.strictObject({
  dataset: DatasetIdSchema,
  party: PartyIdSchema,
  keyId: z.string(),
  kty: z.literal('oct'),
  k: z.string().regex(/^[\w-]{43}$/),
});
export type ShareFile = z.infer<typeof ShareFileSchema>;

async function splitKey(options: SplitOptions): Promise<void> {
  const { dataset, parties } = readPlan(options);
  const { threshold, out } = options;
  const { privateKey, wrappingKey } = await makeKey();
  const split = await splitPrivateKey(privateKey, { threshold, count: parties.length });
  privateKey.fill(0);
  const keyId = `${dataset}-share`;
  await makePrivateFolder(out);
  const holders = [];
  for (const [index, party] of parties.entries()) {
    const kept = split.shares[index];
    if (!kept) continue;
    const file = { dataset, party, keyId, kty: 'oct', k: encodeBase64url(kept.share) };
    await makeNewFile(join(out, `${party}.share.json`), JSON.stringify(file));
    kept.share.fill(0);
    holders.push({ party, keyId, point: kept.point, sha256: kept.sha256 });
  }
  const { wrappedKey } = split;
  const shown = { wrappingKey, keyShares: { threshold, holders, wrappedKey } };
  const files = parties.map((party) => `  ${join(out, `${party}.share.json`)}`);
  printResult(options.json, shown, [...files, NOTICE].join('\n'));
}

const NOTICE =
  'Give each file to its holder alone, then delete it. With --json: what the contract needs.';

/** @throws ERR_USAGE */
function readPlan(options: SplitOptions) {
  const dataset = DatasetIdSchema.safeParse(options.dataset);
  if (!dataset.success) throw usage(`--dataset ${options.dataset}: no dataset id`);
  const parties = options.holders.split(',');
  const wrong = parties.find((each) => !PartyIdSchema.safeParse(each).success);
  if (wrong !== undefined) throw usage(`--holders: ${wrong || 'an empty name'} is no party id`);
  if (new Set(parties).size !== parties.length) throw usage('--holders: each party once');
  if (parties.length > KEY_HOLDERS_MAX) throw usage(`--holders: at most ${KEY_HOLDERS_MAX}`);
  const { threshold } = options;
  if (!Number.isInteger(threshold) || threshold < 2 || threshold > parties.length) {
    throw usage('--threshold: from 2 to the number of holders');
  }
  return { dataset: dataset.data, parties };
}

async function makeKey() {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: RSA_BITS,
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
    publicKeyEncoding: { format: 'der', type: 'spki' },
  });
  const wrappingKey = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  return { privateKey, wrappingKey: wrappingKey.export({ format: 'jwk' }) };
}

/** @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID */
export async function readShareFile(path: string): Promise<ShareFile> {
  const text = await readTextFile(path);
  const parsed = ShareFileSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const problem = 'no share file of `strongroom key split`';
  throw new StrongroomError('ERR_CONFIG_INVALID', { path, problem });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function usage(problem: string): StrongroomError {
  return new StrongroomError('ERR_USAGE', { problem });
}
