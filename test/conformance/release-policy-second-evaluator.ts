/**
 * A second evaluator of release policies, written from the grammar and from the rules in
 * `docs/policies.md`, for comparison only. It shares nothing with the product: it reads JSON
 * texts with a reader of its own, keeps numbers as they are spelled, and answers every condition
 * from scratch, as slowly as it likes.
 */

/** Objects keep every member in order; numbers keep their spelling. */
export type Tree =
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Tree])[] }
  | { readonly kind: 'list'; readonly items: readonly Tree[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly spelling: string }
  | { readonly kind: 'word'; readonly word: string };

/** @returns whether a policy releases to claims; both are JSON texts, and the policy is valid */
export function secondOpinion(policyText: string, claimsText: string): boolean {
  const claims = readTree(claimsText);
  const issuer = valueAt(claims, ['iss']);
  for (const entry of itemsOf(member(readTree(policyText), /^anyof$/i))) {
    const authority = member(entry, /^authority$/);
    if (issuer?.kind !== 'text' || authority?.kind !== 'text') continue;
    if (issuer.text === authority.text && holds(entry, claims)) return true;
  }
  return false;
}

/** A list of conditions or one condition. An authority's entry is a list with a name. */
function holds(rule: Tree, claims: Tree): boolean {
  const any = member(rule, /^anyof$/i);
  if (any) return itemsOf(any).some((each) => holds(each, claims));
  const all = member(rule, /^allof$/i);
  if (all) return !itemsOf(all).some((each) => !holds(each, claims));
  const claim = member(rule, /^claim$/);
  if (rule.kind !== 'object' || claim?.kind !== 'text') throw new Error('no rule');
  const [operator, operand] = rule.members.find(([name]) => name !== 'claim') ?? [];
  if (operator === undefined || operand === undefined) throw new Error('no operator');
  return answers(valueAt(claims, claim.text.split('.')), operator, operand, typeOf(claim.text));
}

function answers(
  found: Tree | undefined,
  operator: string,
  operand: Tree,
  type: 'boolean' | 'integer' | 'text' | undefined,
): boolean {
  if (operator === 'exists') return (found !== undefined) === (scalar(operand) === 'true');
  if (found === undefined) return false;
  const wanted = type ?? kindOf(operand);
  if (wanted === undefined || kindOf(found) !== wanted) return false;
  const [left, right] = [scalar(found), scalar(operand)];
  if (operator === 'equals' || operator === 'notEquals') {
    const same = wanted === 'integer' ? whole(left) === whole(right) : left === right;
    return same === (operator === 'equals');
  }
  const difference = (whole(left) ?? 0n) - (whole(right) ?? 0n);
  if (operator === 'less') return difference < 0n;
  if (operator === 'lessOrEquals') return difference <= 0n;
  if (operator === 'greater') return difference > 0n;
  if (operator === 'greaterOrEquals') return difference >= 0n;
  throw new Error(`no operator ${operator}`);
}

function scalar(tree: Tree): string {
  if (tree.kind === 'text') return tree.text;
  if (tree.kind === 'number') return tree.spelling;
  return tree.kind === 'word' ? tree.word : '';
}

/** A number is an integer by its value, and only where 64-bit floating point has no gaps. */
function kindOf(tree: Tree): 'boolean' | 'integer' | 'text' | undefined {
  if (tree.kind === 'text') return 'text';
  if (tree.kind === 'word') return tree.word === 'null' ? undefined : 'boolean';
  return tree.kind === 'number' && whole(tree.spelling) !== undefined ? 'integer' : undefined;
}

/** The value of a spelling if it is whole and within 2^53, by shifting its digits. */
function whole(spelling: string): bigint | undefined {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(spelling);
  if (!parts) return undefined;
  const [, sign = '', units = '', fraction = '', power = '0'] = parts;
  const places = fraction.length - Number(power);
  let value = BigInt(units + fraction);
  if (places > 0) {
    const divisor = 10n ** BigInt(places);
    if (value % divisor !== 0n) return undefined;
    value /= divisor;
  } else {
    value *= 10n ** BigInt(-places);
  }
  if (value > 9_007_199_254_740_991n) return undefined;
  return sign === '-' ? -value : value;
}

/** What Azure's documentation of tokens says of the claims that the generator uses. */
function typeOf(claim: string): 'boolean' | 'integer' | 'text' | undefined {
  const name = claim.replace(/^x-ms-isolation-tee\./, '');
  if (/^x-ms-sevsnpvm-(is-debuggable|migration-allowed|smt-allowed)$/.test(name)) return 'boolean';
  if (/^x-ms-sevsnpvm-(vmpl|.*svn)$/.test(name)) return 'integer';
  if (/^secureboot$|^x-ms-azurevm-.*(enabled|validated|disabled)$/.test(name)) return 'boolean';
  if (/^x-ms-runtime\.vm-configuration\.(secure-boot|tpm-enabled)$/.test(name)) return 'boolean';
  if (/^x-ms-(attestation-type|compliance-status|sevsnpvm-launchmeasurement)$/.test(name)) {
    return 'text';
  }
  return undefined;
}

function valueAt(tree: Tree, path: readonly string[]): Tree | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return tree;
  if (tree.kind !== 'object') return undefined;
  for (const [each, below] of tree.members) if (each === name) return valueAt(below, rest);
  return undefined;
}

function member(tree: Tree, name: RegExp): Tree | undefined {
  if (tree.kind !== 'object') return undefined;
  return tree.members.find(([each]) => name.test(each))?.[1];
}

function itemsOf(tree: Tree | undefined): readonly Tree[] {
  if (tree?.kind !== 'list') throw new Error('no list');
  return tree.items;
}

/** Recursive descent over RFC 8259, for texts that are known to be valid. */
export function readTree(text: string): Tree {
  let at = 0;
  const peek = () => {
    while (' \t\n\r'.includes(text[at] ?? 'end')) at += 1;
    return text[at] ?? '';
  };
  const take = (pattern: RegExp): string => {
    peek();
    const [found] = pattern.exec(text.slice(at)) ?? [];
    if (found === undefined) throw new Error(`unexpected text at ${at}`);
    at += found.length;
    return found;
  };
  const separated = <Part>(end: string, read: () => Part): Part[] => {
    const parts: Part[] = [];
    at += 1;
    if (peek() !== end) {
      do parts.push(read());
      while (take(/^[,\]}]/) === ',');
    } else at += 1;
    return parts;
  };
  const string = () => unescaped(take(/^"(?:[^"\\]|\\.)*"/).slice(1, -1));
  const value = (): Tree => {
    const first = peek();
    if (first === '"') return { kind: 'text', text: string() };
    if (first === '[') return { kind: 'list', items: separated(']', value) };
    if (first !== '{') {
      const token = take(/^[-+.\w]+/);
      return /^[-\d]/.test(token)
        ? { kind: 'number', spelling: token }
        : { kind: 'word', word: token };
    }
    const members = separated('}', (): readonly [string, Tree] => {
      const name = string();
      take(/^:/);
      return [name, value()];
    });
    return { kind: 'object', members };
  };
  return value();
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, hex?: string, letter = '') =>
    hex === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
