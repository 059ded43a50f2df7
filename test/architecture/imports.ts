import { parseSync } from 'oxc-parser';
import type { TextFile } from './source-files.ts';

/** What a file loads, by statements or later by `import('…')`, read by a real parser. */

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import type` and `export type` are erased: nothing is loaded when the code runs. */
  readonly typeOnly: boolean;
}

/**
 * `import type x` and `export type *`, but not `import type from 'x'`, nor `import { type X }`:
 * with verbatimModuleSyntax the latter still loads the module.
 */
const ERASED = /^(?:import|export)\s+type\s+(?!from\s|,)/;

export function importsOf(file: TextFile): Import[] {
  const { module, errors } = parseSync(file.path, file.text, { sourceType: 'module' });
  if (errors.length > 0) throw new Error(`${file.path} does not parse: ${errors[0]?.message}`);
  const found = new Map<number, Import>();
  const note = (start: number, specifier: string) =>
    found.set(start, {
      specifier,
      line: lineOf(file.text, start),
      typeOnly: ERASED.test(file.text.slice(start, start + 200)),
    });
  for (const statement of module.staticImports) {
    note(statement.start, statement.moduleRequest.value);
  }
  for (const statement of module.staticExports) {
    const from = statement.entries.find((entry) => entry.moduleRequest)?.moduleRequest;
    if (from) note(statement.start, from.value);
  }
  for (const { start, moduleRequest } of module.dynamicImports) {
    const literal = /^'([^']+)'$/.exec(file.text.slice(moduleRequest.start, moduleRequest.end));
    if (literal?.[1] !== undefined) note(start, literal[1]);
  }
  return [...found.values()];
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
