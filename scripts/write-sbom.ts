/**
 * The bill of materials of an image that assemble.sh put together, as CycloneDX 1.6 JSON:
 *
 *   node --conditions=strongroom:source scripts/write-sbom.ts FOLDER NAME > sbom.cdx.json
 *
 * It lists what lies in the folder, not what a manifest wishes for, and has no time and no serial
 * number: the same image has the same bill.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import * as CycloneDx from '@cyclonedx/cyclonedx-library';
import { PackageURL } from 'packageurl-js';
import parseExpression from 'spdx-expression-parse';
import { parse } from 'yaml';
import { z } from 'zod';
import { type InstalledPackage, packagesIn } from './image-packages.ts';

const ROOT = dirname(import.meta.dirname);
const { Models, Enums, Serialize, Spec, Contrib } = CycloneDx;

const licences = new Contrib.License.Factories.LicenseFactory(parseExpression);

const LockfileSchema = z.looseObject({
  packages: z.record(
    z.string(),
    z.looseObject({ resolution: z.looseObject({ integrity: z.exactOptional(z.string()) }) }),
  ),
});

/** @param name of the image, without a registry: `strongroom/worker` */
export function sbomOf(folder: string, name: string): string {
  const { version } = readPackage(join(folder, 'package.json'));
  const image = new Models.Component(Enums.ComponentType.Container, name, { version });
  image.bomRef.value = name;
  const bom = new Models.Bom({ metadata: new Models.Metadata({ component: image }) });
  const integrity = integrities();
  const packages = packagesIn(folder);
  const components = new Map(
    packages.map((each) => [each.path, componentOf(each, integrity)] as const),
  );
  for (const { path, dependencies } of packages) {
    const component = components.get(path);
    if (!component) continue;
    bom.components.add(component);
    if (path.startsWith('services/')) image.dependencies.add(component.bomRef);
    for (const dependency of dependencies) {
      const target = components.get(dependency);
      if (target) component.dependencies.add(target.bomRef);
    }
  }
  const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  const text = new Serialize.JsonSerializer(normalizers).serialize(bom, {
    sortLists: true,
    space: 1,
  });
  return `${text}\n`;
}

function componentOf(
  { name, version, licence, path }: InstalledPackage,
  integrity: ReadonlyMap<string, string>,
) {
  const component = new Models.Component(Enums.ComponentType.Library, name, { version });
  component.bomRef.value = `${name}@${version}|${path}`;
  component.purl = new PackageURL('npm', ...splitName(name), version).toString();
  if (licence !== undefined) component.licenses.add(licences.makeFromString(licence));
  const [, patch] = /_patch_hash=([0-9a-f]+)/.exec(path) ?? [];
  const sha512 = integrity.get(`${name}@${version}`);
  if (patch !== undefined) component.properties.add(new Models.Property('strongroom:patch', patch));
  else if (sha512) component.hashes.set(Enums.HashAlgorithm['SHA-512'], sha512);
  return component;
}

function splitName(name: string): [namespace: string | undefined, name: string] {
  const [scope, rest] = name.split('/');
  return rest === undefined ? [undefined, name] : [scope, rest];
}

/** Of the archives that packages came in, as the lockfile pins them; a patched one is another. */
function integrities(): ReadonlyMap<string, string> {
  const lockfile: unknown = parse(readFileSync(join(ROOT, 'pnpm-lock.yaml'), 'utf8'));
  const { packages } = LockfileSchema.parse(lockfile);
  return new Map(
    Object.entries(packages).flatMap(([key, { resolution }]) => {
      const [algorithm, base64 = ''] = resolution.integrity?.split('-', 2) ?? [];
      const hex = Buffer.from(base64, 'base64').toString('hex');
      return algorithm === 'sha512' ? [[key, hex] as const] : [];
    }),
  );
}

function readPackage(path: string) {
  return z.looseObject({ version: z.string() }).parse(JSON.parse(readFileSync(path, 'utf8')));
}

if (import.meta.main) {
  const [folder, name] = process.argv.slice(2);
  if (folder === undefined || name === undefined) throw new Error('write-sbom.ts FOLDER NAME');
  process.stdout.write(sbomOf(resolve(folder), name));
}
