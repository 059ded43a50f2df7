import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';

/** One package as it lies in an image. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  /** As its package.json says it. */
  readonly licence?: string;
  /** Of its folder, from the image's root. */
  readonly path: string;
  /** Folders of the packages that it finds beside it or inside of it. */
  readonly dependencies: readonly string[];
}

const ManifestSchema = z.looseObject({
  name: z.string(),
  version: z.string(),
  license: z.exactOptional(z.union([z.string(), z.looseObject({ type: z.string() })])),
  licenses: z.exactOptional(z.array(z.looseObject({ type: z.string() }))),
});

/**
 * Every package of an image that assemble.sh put together: ours under packages and services, those
 * of others as pnpm lays them, each in a folder of its own whose neighbours are links to what it
 * loads.
 */
export function packagesIn(image: string): InstalledPackage[] {
  const root = realpathSync(image);
  const store = join(root, 'node_modules/.pnpm');
  const others = entriesOf(store).flatMap((key) => {
    const neighbours = namesIn(join(store, key, 'node_modules'));
    return neighbours
      .filter((folder) => !lstatSync(folder).isSymbolicLink())
      .map((folder) => readPackage(root, folder, neighbours));
  });
  const ours = ['packages', 'services'].flatMap((kind) =>
    entriesOf(join(root, kind)).map((name) => {
      const folder = join(root, kind, name);
      return readPackage(root, folder, namesIn(join(folder, 'node_modules')));
    }),
  );
  return [...others, ...ours].sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** Folders of packages right under a node_modules, with those of scopes. */
function namesIn(folder: string): string[] {
  return entriesOf(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@')
        ? entriesOf(join(folder, name)).map((inner) => join(folder, name, inner))
        : [join(folder, name)],
    );
}

function readPackage(root: string, folder: string, neighbours: readonly string[]) {
  const manifest = ManifestSchema.parse(
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
  );
  const licence = licenceOf(manifest);
  return {
    name: manifest.name,
    version: manifest.version,
    ...(licence === undefined ? {} : { licence }),
    path: relative(root, folder),
    dependencies: neighbours
      .map((each) => relative(root, realpathSync(each)))
      .filter((path) => path !== relative(root, folder))
      .sort(),
  };
}

function licenceOf({ license, licenses }: z.infer<typeof ManifestSchema>): string | undefined {
  if (typeof license === 'string') return license;
  if (license) return license.type;
  const types = licenses?.map(({ type }) => type);
  return types?.length ? `(${types.join(' OR ')})` : undefined;
}

function entriesOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
