import assert from 'node:assert/strict';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PRODUCTS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';
import { type RootPins, RootSet } from '../roots.ts';
import type { Product } from '../snp/tcb.ts';
import { toPem } from '../x509/pem.ts';
import { type AuthorityRole, spkiOf, writeAuthority } from './certificates.ts';

/**
 * The roots of one deployment, made once and kept in its state folder. There is no well-known
 * simulation key: none is in the repository, and none could leak into somebody's trust store.
 */

const PUBLIC_FILE = 'simulated-roots.json';
const PRIVATE_FILE = 'simulated-platform.json';
export const SIMULATED_WARNING = 'SIMULATED - NOT HARDWARE: proves nothing about any machine';

const AuthoritySchema = z.strictObject({ privateKey: z.string(), certificate: z.string() });
const ProductSchema = z.strictObject({
  ark: AuthoritySchema,
  ask: AuthoritySchema,
  asvk: AuthoritySchema.nullable(),
});
const DeploymentSchema = z.strictObject({
  warning: z.literal(SIMULATED_WARNING),
  chipSeed: z.string(),
  notBefore: z.int(),
  notAfter: z.int(),
  products: z.partialRecord(z.enum(PRODUCTS), ProductSchema),
});
export type Deployment = z.infer<typeof DeploymentSchema>;
export type ProductAuthorities = z.infer<typeof ProductSchema>;
type StoredAuthority = z.infer<typeof AuthoritySchema>;

const PublicSchema = z.strictObject({
  warning: z.literal(SIMULATED_WARNING),
  kind: z.literal('simulated'),
  arkSpkiSha256: z.partialRecord(
    z.enum(PRODUCTS),
    z.array(z.string().regex(/^[0-9a-f]{64}$/)).min(1),
  ),
});

export interface DeploymentOptions {
  /** Certificates begin at its time; the process's own unless a test decides otherwise. */
  readonly clock?: { now(): number };
  /** Genoa alone unless said otherwise: each product takes two RSA-4096 keys. */
  readonly products?: readonly Product[];
  /** Make the authority of provider keys (VLEK) too. */
  readonly providerKeys?: boolean;
}

const processClock = { now: () => performance.timeOrigin + performance.now() };

/** @throws ERR_FILE_UNWRITABLE also when the folder holds a deployment already */
export async function createDeployment(
  folder: string,
  options: DeploymentOptions,
): Promise<Deployment> {
  const now = Math.floor((options.clock ?? processClock).now());
  const products: Deployment['products'] = {};
  for (const product of options.products ?? (['Genoa'] as const)) {
    products[product] = await createAuthorities(product, now, options.providerKeys ?? false);
  }
  const deployment: Deployment = {
    warning: SIMULATED_WARNING,
    chipSeed: randomBytes(32).toString('base64url'),
    notBefore: now - 60_000,
    notAfter: now + 30 * 24 * 3_600_000,
    products,
  };
  await writeNew(folder, PRIVATE_FILE, deployment, 0o600);
  await writeNew(folder, PUBLIC_FILE, publicPart(deployment), 0o644);
  return deployment;
}

async function createAuthorities(
  product: Product,
  now: number,
  providerKeys: boolean,
): Promise<ProductAuthorities> {
  const pairs = await Promise.all(
    (['ark', 'ask', 'asvk'] as const)
      .slice(0, providerKeys ? 3 : 2)
      .map(() => promisify(generateKeyPair)('rsa', { modulusLength: 4096 })),
  );
  const [ark, ask, asvk] = pairs.map((each) => each.privateKey);
  assert(ark && ask);
  const store = (role: AuthorityRole, privateKey: KeyObject): StoredAuthority => {
    const publicKey = createPublicKey(privateKey);
    const certificate = writeAuthority({ role, product, publicKey, issuerKey: ark, now });
    return {
      privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      certificate: toPem(certificate),
    };
  };
  return {
    ark: store('ark', ark),
    ask: store('ask', ask),
    asvk: asvk ? store('asvk', asvk) : null,
  };
}

function publicPart(deployment: Deployment): z.infer<typeof PublicSchema> {
  const arkSpkiSha256: z.infer<typeof PublicSchema>['arkSpkiSha256'] = {};
  for (const product of PRODUCTS) {
    const authorities = deployment.products[product];
    if (!authorities) continue;
    const spki = spkiOf(createPublicKey(createPrivateKey(authorities.ark.privateKey)));
    arkSpkiSha256[product] = [createHash('sha256').update(spki).digest('hex')];
  }
  return { warning: SIMULATED_WARNING, kind: 'simulated', arkSpkiSha256 };
}

async function writeNew(
  folder: string,
  name: string,
  content: unknown,
  mode: number,
): Promise<void> {
  const path = join(folder, name);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path, `${JSON.stringify(content, null, 2)}\n`, { flag: 'wx', mode });
  } catch {
    throw new StrongroomError('ERR_FILE_UNWRITABLE', { path });
  }
}

/** @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID */
export async function readDeployment(folder: string): Promise<Deployment> {
  const path = join(folder, PRIVATE_FILE);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return parseFile(DeploymentSchema, path, text);
}

/**
 * The root set of a simulated deployment: from the public file, which holds no private key.
 * @param path the deployment's folder, or the file itself
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID, ERR_ROOT_KIND for one of AMD's pins
 */
export function simulatedRoots(path: string): RootSet {
  const file = path.endsWith('.json') ? path : join(path, PUBLIC_FILE);
  let text: string | undefined;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    text = undefined;
  }
  const pins: RootPins = Object.fromEntries(
    Object.entries(parseFile(PublicSchema, file, text).arkSpkiSha256),
  );
  return new RootSet('simulated', pins);
}

function parseFile<S extends z.ZodType>(
  shape: S,
  path: string,
  text: string | undefined,
): z.infer<S> {
  if (text === undefined) throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrongroomError('ERR_CONFIG_INVALID', { path });
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new StrongroomError('ERR_CONFIG_INVALID', { path });
  return parsed.data;
}
