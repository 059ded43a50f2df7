import { parseSync, Visitor } from 'oxc-parser';
import { lineOf } from './imports.ts';
import type { Violation } from './layers.ts';
import { isTest, type TextFile } from './source-files.ts';

/**
 * Style rules of TypeScript files as code: each names what to write instead. They are checked on
 * the parsed tree, so a word in a comment or a string is no violation.
 */

export const LINE_COLUMNS_MAX = 100;
export const FUNCTION_LINES_MAX = 70;
export const FILE_LINES_MAX = 300;

interface MemberRule {
  readonly member: string;
  /** Files in which it is banned. */
  readonly where: (path: string) => boolean;
  readonly instead: string;
}

const everywhere = () => true;
const sources = (path: string) => !isTest(path);
const outside =
  (...allowed: readonly RegExp[]) =>
  (path: string) =>
    sources(path) && !allowed.some((each) => each.test(path));

const MEMBERS: readonly MemberRule[] = [
  { member: 'console.*', where: sources, instead: 'the logger, or process.stdout.write' },
  { member: 'Math.random', where: everywhere, instead: 'node:crypto, or a seeded generator' },
  {
    member: 'Date.now',
    where: outside(/^packages\/runtime\/src\/clock\.ts$/),
    instead: 'a Clock that is handed in',
  },
  {
    member: 'performance.now',
    where: outside(
      /^packages\/runtime\/src\/clock\.ts$/,
      /^packages\/attestation\/src\/insecure\//,
    ),
    instead: 'clock.monotonic()',
  },
  {
    member: 'process.exit',
    where: outside(/^packages\/runtime\/src\/shutdown\.ts$/),
    instead: 'process.exitCode, or throw: runService ends the process',
  },
  {
    member: 'z.object',
    where: everywhere,
    instead: 'z.strictObject, or z.looseObject where a stranger may add fields',
  },
  { member: 'z.any', where: everywhere, instead: 'z.unknown' },
  { member: 'test.only', where: everywhere, instead: 'test' },
  { member: 'it.only', where: everywhere, instead: 'test' },
  { member: 'describe.only', where: everywhere, instead: 'describe' },
];

const IDENTIFIERS: readonly MemberRule[] = [
  {
    member: 'Buffer',
    where: (path) => path.startsWith('packages/protocol/src/'),
    instead: 'Uint8Array, TextEncoder and base64url.ts',
  },
  {
    member: 'createCipheriv',
    where: outside(/^packages\/(sealing|browser)\/src\//),
    instead: 'packages/sealing: it alone touches key bytes',
  },
  {
    member: 'createDecipheriv',
    where: outside(/^packages\/(sealing|browser)\/src\//),
    instead: 'packages/sealing: it alone touches key bytes',
  },
];

/** Words with several meanings (GLOSSARY.md): never the whole name of something that we declare. */
const BARE_WORDS: Readonly<Record<string, string>> = {
  broker: 'log or keyholder',
  batch: 'arrowBatch or sealedBatch',
  schema: 'columns, or a …Schema of zod',
  producer: 'publisher',
  Broker: 'Log or Keyholder',
  Key: 'DataKey, WrappingKey, …',
  Batch: 'ArrowBatch or SealedBatch',
  Schema: 'ColumnContract, or a …Schema of zod',
};
/** Fine for a parameter, whose type says which one; too little for what a whole module sees. */
const BARE_IN_MODULE: Readonly<Record<string, string>> = {
  key: 'recordKey, dataKey, wrappingKey, publicKey, …',
};

export function tidyCode(file: TextFile): Violation[] {
  const found: Violation[] = [];
  const note = (offset: number, message: string) =>
    found.push({ path: file.path, line: lineOf(file.text, offset), message });
  checkLength(file, found);
  const { program } = parseSync(file.path, file.text, { sourceType: 'module' });
  visitMembers(file, note).visit(program);
  visitFunctions(file, note).visit(program);
  visitNames(note).visit(program);
  return found;
}

type Note = (offset: number, message: string) => void;

function checkLength(file: TextFile, found: Violation[]): void {
  const lines = file.text.split('\n');
  for (const [index, text] of lines.entries()) {
    // What cannot be broken: a string that ends the line alone, and addresses.
    const unbreakable = /^\s*(['"`/]|\[?['"]|\/\/.*https?:)/.test(text) && isTest(file.path);
    if (text.length <= LINE_COLUMNS_MAX || unbreakable) continue;
    const message = `${text.length} columns: break the line at ${LINE_COLUMNS_MAX}`;
    found.push({ path: file.path, line: index + 1, message });
  }
  const explained = lines.slice(0, 30).some((line) => line.includes(`${FILE_LINES_MAX} lines`));
  if (lines.length > FILE_LINES_MAX && !isTest(file.path) && !explained) {
    const message = `${lines.length} lines: split it, or say in its header why more than 300 lines`;
    found.push({ path: file.path, line: 1, message });
  }
}

function visitMembers(file: TextFile, note: Note): Visitor {
  const rules = MEMBERS.filter((rule) => rule.where(file.path));
  const identifiers = IDENTIFIERS.filter((rule) => rule.where(file.path));
  return new Visitor({
    MemberExpression: (node) => {
      if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier') return;
      const written = `${node.object.name}.${node.property.name}`;
      const rule = rules.find(
        ({ member }) => member === written || member === `${written.split('.')[0]}.*`,
      );
      if (rule) note(node.start, `${written}: use ${rule.instead}`);
    },
    Identifier: (node) => {
      const rule = identifiers.find(({ member }) => member === node.name);
      if (rule) note(node.start, `${node.name}: use ${rule.instead}`);
    },
    NewExpression: (node) => {
      const { callee } = node;
      if (callee.type !== 'Identifier' || isTest(file.path)) return;
      if (callee.name === 'Date' && node.arguments.length === 0) {
        note(node.start, 'new Date(): use a Clock that is handed in');
      }
    },
    ThrowStatement: (node) => {
      const thrown = node.argument;
      if (thrown.type !== 'NewExpression' || thrown.callee.type !== 'Identifier') return;
      // What stands in the place of Node throws as Node does.
      const isNodes = file.path.startsWith('packages/browser/');
      const isBare = /^(Error|TypeError|RangeError)$/.test(thrown.callee.name);
      if (isBare && !isTest(file.path) && !isNodes) {
        note(node.start, 'throw an error with a code; a programmer error is an assert');
      }
    },
  });
}

function visitFunctions(file: TextFile, note: Note): Visitor {
  const groups = new Set<number>();
  const measure = (node: { readonly start: number; readonly end: number }) => {
    const lines = lineOf(file.text, node.end) - lineOf(file.text, node.start) + 1;
    if (lines > FUNCTION_LINES_MAX && !groups.has(node.start)) {
      note(node.start, `${lines} lines: split the function at ${FUNCTION_LINES_MAX}`);
    }
  };
  return new Visitor({
    CallExpression: (node) => {
      // The body of describe() is a list of tests, not a function to understand at once.
      if (!/^describe\b/.test(file.text.slice(node.start, node.start + 9))) return;
      for (const argument of node.arguments) groups.add(argument.start);
    },
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
  });
}

function visitNames(note: Note): Visitor {
  const check = (node: Named, words: Readonly<Record<string, string>>) => {
    if (node.type !== 'Identifier' || node.name === undefined) return;
    if (Object.hasOwn(words, node.name)) {
      note(node.start, `${node.name} alone has several meanings: say ${words[node.name]}`);
    }
    if (/(Manager|Helper|Helpers|Util|Utils)$/.test(node.name)) {
      note(node.start, `${node.name}: name what it does`);
    }
  };
  const local = (node: Named) => check(node, BARE_WORDS);
  const checkParameters = (node: { readonly params: readonly Named[] }) => {
    for (const parameter of node.params) local(parameter);
  };
  return new Visitor({
    Program: (node) => {
      for (const statement of node.body) {
        const inner =
          statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
        if (inner?.type !== 'VariableDeclaration') continue;
        for (const { id } of inner.declarations) check(id, BARE_IN_MODULE);
      }
    },
    VariableDeclarator: (node) => local(node.id),
    FunctionDeclaration: (node) => {
      if (node.id) local(node.id);
      checkParameters(node);
    },
    FunctionExpression: checkParameters,
    ArrowFunctionExpression: checkParameters,
    ClassDeclaration: (node) => {
      if (node.id) local(node.id);
    },
    TSInterfaceDeclaration: (node) => local(node.id),
    TSTypeAliasDeclaration: (node) => local(node.id),
  });
}

interface Named {
  readonly type: string;
  readonly start: number;
  readonly name?: string;
}
