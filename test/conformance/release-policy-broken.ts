/**
 * Broken release policies, each made from a valid one by one change that Azure's grammar 1.0.0 has
 * no room for, together with the place at which an author has to look. What is broken follows from
 * the grammar as it is written down here, never from what the compiler thinks.
 */
import {
  POLICY_BYTES_MAX,
  POLICY_CONDITIONS_MAX,
  POLICY_DEPTH_MAX,
  POLICY_TEXT_CHARACTERS_MAX,
} from '@strongroom/protocol/limits';
import { DRAFT_RULES, FOREIGN_NAMES, wrongValuesOf } from './release-policy-wrong-values.ts';

export interface BrokenPolicy {
  /** The class of the change. */
  readonly kind: string;
  readonly text: string;
  readonly place: string;
}

const TYPE = 'x-ms-attestation-type';
const DEBUG = 'x-ms-sevsnpvm-is-debuggable';
const VMPL = 'x-ms-sevsnpvm-vmpl';
const A = 'https://attest.example';
const entry = (...allOf: object[]) => ({ authority: A, allOf });
const policy = (...anyOf: object[]) => ({ version: '1.0.0', anyOf });

/** Together they have every construct of the grammar and every type of claim. */
export const VALID_POLICIES: readonly object[] = [
  policy(entry({ claim: TYPE, equals: 'sevsnpvm' }, { claim: DEBUG, equals: 'false' })),
  policy(entry({ claim: VMPL, lessOrEquals: '0' }, { claim: VMPL, greater: -1 })),
  policy(
    { authority: `${A}/tenant`, anyOf: [{ claim: `x-ms-isolation-tee.${VMPL}`, notEquals: 3 }] },
    entry({ claim: 'foreign', equals: 7 }, { claim: 'x-ms-runtime.contract', exists: 'true' }),
  ),
  policy(
    entry({ anyOf: [{ claim: DEBUG, notEquals: true }, { allOf: [{ claim: VMPL, less: 1 }] }] }),
  ),
  policy(entry({ claim: 'x-ms-sevsnpvm-microcode-svn', greaterOrEquals: '84' })),
];

type Path = readonly (string | number)[];

/** Prints JSON; `change` may replace the text of the value, or of the member, at a path. */
function print(value: unknown, change: (path: Path, text: string) => string, path: Path = []) {
  let text = JSON.stringify(value);
  if (Array.isArray(value)) {
    text = `[${value.map((item, index) => print(item, change, [...path, index])).join(',')}]`;
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([name, member]) => {
      const here = [...path, name];
      return change(['member', ...here], `${JSON.stringify(name)}:${print(member, change, here)}`);
    });
    text = `{${members.join(',')}}`;
  }
  return change(path, text);
}

const changed = (base: object, at: Path, change: (text: string) => string) =>
  print(base, (path, text) => (path.join('\n') === at.join('\n') ? change(text) : text));

function placeOf(path: Path): string {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`));
  return steps.join('').replace(/^\./, '') || '(policy)';
}

interface Node {
  readonly path: Path;
  readonly value: unknown;
}

function* nodesOf(value: unknown, path: Path = []): Generator<Node> {
  yield { path, value };
  if (typeof value !== 'object' || value === null) return;
  for (const [name, below] of Object.entries(value)) {
    yield* nodesOf(below, [...path, Array.isArray(value) ? Number(name) : name]);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function* brokenPolicies(): Generator<BrokenPolicy> {
  for (const base of VALID_POLICIES) {
    for (const node of nodesOf(base)) {
      yield* wrongValues(base, node);
      if (isObject(node.value)) yield* wrongMembers(base, node.path, node.value);
      if (Array.isArray(node.value)) yield* wrongItems(base, node.path, node.value);
    }
    yield* notJson(base);
  }
  yield* beyondLimits();
}

/** What stands at a node is replaced by something that may never stand there. */
function* wrongValues(base: object, { path, value }: Node): Generator<BrokenPolicy> {
  const parent = path
    .slice(0, -1)
    .reduce<unknown>((each, step) => (isRecord(each) ? each[step] : undefined), base);
  const claim = isObject(parent) && 'claim' in parent ? String(parent['claim']) : undefined;
  for (const text of wrongValuesOf(path.at(-1), value, claim)) {
    yield { kind: 'wrong value', text: changed(base, path, () => text), place: placeOf(path) };
  }
}

function isRecord(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}

function* wrongMembers(
  base: object,
  path: Path,
  members: Record<string, unknown>,
): Generator<BrokenPolicy> {
  const place = placeOf(path);
  const inside = (kind: string, change: (text: string) => string, at = place): BrokenPolicy => ({
    kind,
    text: changed(base, path, change),
    place: at,
  });
  for (const name of FOREIGN_NAMES) {
    yield inside('unknown member', (text) => text.replace('{', `{${JSON.stringify(name)}:"1",`));
    yield inside('unknown member', (text) => text.replace(/}$/, `,${JSON.stringify(name)}:{}}`));
  }
  for (const name of Object.keys(members)) {
    const member: Path = ['member', ...path, name];
    const without = changed(base, member, () => '"":0').replace(/,?"":0,?/, (cut) =>
      cut.startsWith(',') && cut.endsWith(',') ? ',' : '',
    );
    yield { kind: 'missing member', text: without, place };
    for (const other of [`${name} `, ` ${name}`, `${name}\u0000`, name.replace('a', '\u0430')]) {
      if (other === name) continue;
      const renamed = (text: string) => text.replace(JSON.stringify(name), JSON.stringify(other));
      yield { kind: 'renamed member', text: changed(base, member, renamed), place };
    }
    const escaped = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
    for (const twin of [name, escaped]) {
      const twice = (text: string) => `${text},"${twin}":${JSON.stringify(members[name])}`;
      const at = placeOf([...path, name]);
      yield { kind: 'repeated member', text: changed(base, member, twice), place: at };
    }
    if (/^(version|authority|claim)$/.test(name) || !/Of$/.test(name)) {
      const upper = (text: string) => text.replace(name, name.toUpperCase());
      yield { kind: 'renamed member', text: changed(base, member, upper), place };
    } else {
      const both = (text: string) => `${text},${text.replace(name, name.toLowerCase())}`;
      yield { kind: 'two lists', text: changed(base, member, both), place };
    }
  }
  for (const rule of 'claim' in members ? DRAFT_RULES : []) {
    yield inside('draft or mixture', () => rule);
  }
}

function* wrongItems(base: object, path: Path, items: unknown[]): Generator<BrokenPolicy> {
  const next = placeOf([...path, items.length]);
  const nested = JSON.stringify([items[0]]);
  const other = ['null', 'true', '0', '"x"', '[]', '{}', nested, JSON.stringify(items)];
  for (const item of other) {
    const text = changed(base, path, (list) => list.replace(/]$/, `,${item}]`));
    yield { kind: 'wrong item', text, place: next };
  }
  // A condition is no authority, and an authority is no condition.
  const foreign =
    path.length === 1 ? { claim: TYPE, equals: 'a' } : entry({ claim: TYPE, equals: 'a' });
  const text = changed(base, path, (list) => list.replace(/]$/, `,${JSON.stringify(foreign)}]`));
  yield { kind: 'wrong item', text, place: next };
}

const CUTS = 12;

function* notJson(base: object): Generator<BrokenPolicy> {
  const text = JSON.stringify(base);
  const broken = [
    ...Array.from({ length: CUTS }, (_, cut) => text.slice(0, (cut * text.length) / CUTS)),
    ...[`\uFEFF${text}`, `${text},`, `${text}${text}`, text.replaceAll('"', "'"), `(${text})`],
    ...[text.replace('[{', '[,{'), text.replace('}]', '},]'), text.replace('{', '{/**/')],
    ...[text.replace(':', '='), text.replace('"1.0.0"', '"1.0.\u00000"'), `${text}\u0000`],
    ...[text.replace('"1.0.0"', 'NaN'), text.replace('"1.0.0"', '1.0.0'), text.slice(1)],
    ...[text.replace('"1.0.0"', '"1.0.0\n"'), text.replace('"version"', 'version')],
  ];
  for (const each of broken) yield { kind: 'not JSON', text: each, place: '(policy)' };
  // JSON, but not what it should hold.
  for (const each of [`[${text}]`, JSON.stringify(text), JSON.stringify({ policy: base })]) {
    yield { kind: 'wrapped', text: each, place: '(policy)' };
  }
}

function* beyondLimits(): Generator<BrokenPolicy> {
  const rule = { claim: TYPE, equals: 'a' };
  const kind = 'limit';
  for (const more of [1, 2, 5_000]) {
    let text = JSON.stringify(rule);
    for (let level = 0; level < POLICY_DEPTH_MAX + more - 1; level += 1)
      text = `{"anyOf":[${text}]}`;
    const [before = '', behind = ''] = JSON.stringify(policy(entry({}))).split('{}');
    const place = `anyOf[0].allOf[0]${'.anyOf[0]'.repeat(POLICY_DEPTH_MAX - 1)}`;
    yield { kind, text: before + text + behind, place };
  }
  const lists = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  yield { kind, text: `{"version":"1.0.0","anyOf":${lists}}`, place: 'anyOf[0]' };
  const many = policy(entry(...Array(POLICY_CONDITIONS_MAX + 1).fill(rule)));
  const last = `anyOf[0].allOf[${POLICY_CONDITIONS_MAX}]`;
  yield { kind, text: JSON.stringify(many), place: last };
  const half = entry(...Array(POLICY_CONDITIONS_MAX / 2 + 1).fill(rule));
  const spread = `anyOf[1].allOf[${POLICY_CONDITIONS_MAX / 2 - 1}]`;
  yield { kind, text: JSON.stringify(policy(half, half)), place: spread };
  const long = 'x'.repeat(POLICY_TEXT_CHARACTERS_MAX + 1);
  const at = 'anyOf[0].allOf[0]';
  const texts: [object, string][] = [
    [entry({ claim: TYPE, equals: long }), `${at}.equals`],
    [entry({ claim: long, equals: 'a' }), `${at}.claim`],
    [entry({ claim: 'foreign', notEquals: long }), `${at}.notEquals`],
    [{ authority: `https://${long}`, allOf: [rule] }, 'anyOf[0].authority'],
  ];
  for (const [item, place] of texts) yield { kind, text: JSON.stringify(policy(item)), place };
  const large = JSON.stringify(policy(entry(rule)));
  for (const filler of [' ', '\n']) {
    const text = large + filler.repeat(POLICY_BYTES_MAX + 1 - large.length);
    yield { kind, text, place: '(policy)' };
  }
}
