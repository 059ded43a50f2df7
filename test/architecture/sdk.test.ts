import { parseSync } from 'oxc-parser';
import { describe, expect, test } from 'vitest';
import { readText } from './source-files.ts';

/** What programs of others may load, by name: one more is a promise, one less breaks somebody. */

const OFFERED = {
  producer: {
    '.': [
      ...['ConnectorOptions', 'ErrorCode', 'Producer', 'ProducerOptions', 'Progress'],
      ...['PublishOptions', 'PublishSummary', 'RowLike', 'RowValue', 'StrongroomError'],
      ...['codeOf', 'openProducer'],
    ],
  },
  analyst: {
    '.': [
      ...['Cell', 'ColumnKind', 'Ended', 'ErrorCode', 'PlatformRoots', 'ReadOptions', 'Refused'],
      ...['Result', 'ResultProof', 'ResultRow', 'RevocationOptions', 'StrongroomError'],
      ...['codeOf', 'readResults'],
    ],
    './simulated': ['simulatedRoots'],
  },
} as const;

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

const manifestOf = (service: string): Manifest =>
  JSON.parse(readText(`services/${service}/package.json`));

function exportedNames(path: string): string[] {
  const { module } = parseSync(path, readText(path), { sourceType: 'module' });
  const entries = module.staticExports.flatMap((statement) => statement.entries);
  return entries.map(({ exportName }) => exportName.name ?? `${exportName.kind}`).sort();
}

const entries = Object.entries(OFFERED).flatMap(([service, offered]) =>
  Object.entries(offered).map(([entry, names]) => ({ service, entry, names })),
);

describe('what programs of others may load', () => {
  test.each(entries)('of $service at $entry', ({ service, entry, names }) => {
    const target = manifestOf(service).exports[entry];
    if (typeof target !== 'object') throw new Error(`${entry} has conditions`);
    const { 'strongroom:source': source = '', types = '', default: built = '' } = target;
    expect(exportedNames(`services/${service}/${source.slice(2)}`)).toEqual([...names]);
    // The built files are those of the source.
    const stem = source.replace('./src/', './dist/').replace(/\.ts$/, '');
    expect([types, built]).toEqual([`${stem}.d.ts`, `${stem}.js`]);
  });

  test.each(['producer', 'analyst'] as const)('and nothing else of %s', (service) => {
    const known = [...Object.keys(OFFERED[service]), './package.json'];
    expect(Object.keys(manifestOf(service).exports)).toEqual(known);
  });

  test('and the README shows it as the page about it does', () => {
    const shown = (path: string) => readText(path).match(/^```ts\n(?:.*\n)*?```$/gm) ?? [];
    expect(shown('README.md')).toHaveLength(2);
    expect(shown('docs/sdk.md')).toEqual(expect.arrayContaining(shown('README.md')));
  });

  test('every name is explained', () => {
    const page = readText('docs/sdk.md');
    const names = entries.flatMap((each) => each.names);
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});
