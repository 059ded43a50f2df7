import { parseSync, Visitor } from 'oxc-parser';
import { lineOf } from './imports.ts';
import type { Violation } from './layers.ts';
import type { TextFile } from './source-files.ts';

/**
 * Ways to run code or reach the outside that no import line shows. They are banned, so that import
 * lines tell the whole truth about a file.
 */
const LOADERS = new Set(['require', 'createRequire', 'eval', 'Function']);
const REACHERS = new Set(['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest']);
/** Layers that may not reach the outside at all. */
const CLOSED =
  /^(packages\/(protocol|sealing)\/src|packages\/attestation\/src\/(?!platforms|insecure)|services\/enclave-worker\/src\/vault\/)/;

/**
 * A command line may load a file of its own late, and so may the entries of the worker and its
 * vault, which begin something first, and what loads OpenTelemetry where somebody wants traces;
 * `importsOf` sees it like any other import.
 */
const LATE =
  /^services\/(cli\/src\/|enclave-worker\/src\/(main|main\.insecure|vault-main)\.ts$)|^packages\/runtime\/src\/tracing\.ts$/;

export function hiddenLoads(file: TextFile): Violation[] {
  const found: Violation[] = [];
  const note = (start: number, message: string) =>
    found.push({ path: file.path, line: lineOf(file.text, start), message });
  const closed = CLOSED.test(file.path) && !file.path.endsWith('.test.ts');
  new Visitor({
    ImportExpression: ({ start, source }) => {
      const isFile = source.type === 'Literal' && String(source.value).startsWith('./');
      if (LATE.test(file.path) && isFile) return;
      note(start, 'import(): write an import statement');
    },
    TSImportType: (node) => note(node.start, 'import(): write an `import type` statement'),
    MetaProperty: (node) => {
      const text = file.text.slice(node.start, node.end + 8);
      if (text === 'import.meta.resolve') note(node.start, 'import.meta.resolve: name the file');
    },
    Identifier: (node) => {
      if (LOADERS.has(node.name)) note(node.start, `${node.name}: write an import statement`);
      if (closed && REACHERS.has(node.name)) {
        note(node.start, `${node.name}: this layer has no network; hand the bytes in`);
      }
    },
  }).visit(parseSync(file.path, file.text, { sourceType: 'module' }).program);
  return found;
}
