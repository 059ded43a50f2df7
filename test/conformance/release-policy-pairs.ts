/**
 * Random pairs of a release policy and the claims of a token, both as JSON texts. Claims are made
 * for their policy: most conditions are met or missed narrowly, so that every rule of evaluation
 * decides some pairs.
 */
import type { SeededRandom } from '@strongroom/testkit/seeded-random';

export interface PolicyPair {
  readonly policy: string;
  readonly claims: string;
}

const ISSUER = 'https://attest.example';
const ISSUERS = [ISSUER, ISSUER, ISSUER, 'https://other.example', `${ISSUER}/`];
const SNP = 'x-ms-sevsnpvm-';
const TEE = 'x-ms-isolation-tee.';

const TEXTS = ['x-ms-attestation-type', `${TEE}x-ms-attestation-type`, `${SNP}launchmeasurement`];
const INTEGERS = [`${SNP}vmpl`, `${SNP}microcode-svn`, `${TEE}${SNP}tee-svn`, `${SNP}guestsvn`];
const BOOLEANS = [`${SNP}is-debuggable`, `${TEE}${SNP}smt-allowed`, 'secureboot'];
const DEEP_BOOLEANS = [
  'x-ms-azurevm-elam-enabled',
  `${TEE}x-ms-runtime.vm-configuration.secure-boot`,
];
const FOREIGN = [
  'foreign',
  'x-ms-runtime.other',
  'a.b.c',
  'a.b',
  '__proto__.x',
  'constructor.name',
];
const CLAIMS = [...TEXTS, ...INTEGERS, ...BOOLEANS, ...DEEP_BOOLEANS, ...FOREIGN];

/** JSON texts: no pair of them is equal in type and value unless it should be. */
const TEXT_VALUES = ['"a"', '"A"', '"b"', '""', '"true"', '"0"', '"1"', '"\\u0061"', '"\u0430"'];
const INTEGER_VALUES = ['0', '1', '-1', '2', '84', '9007199254740991', '-9007199254740991'];
const ODD_NUMBERS = [
  '1.0',
  '1e0',
  '-0',
  '0.5',
  '84.0',
  '9007199254740992',
  '1e400',
  '8.4e1',
  '10e-1',
];
const OTHERS = ['null', '[]', '["a"]', '[0]', '[true]', '{}', '{"a":"a"}', '{"b":{"c":1}}', '[{}]'];

export function randomPair(random: SeededRandom): PolicyPair {
  const entries = times(random, 1, 3, () => {
    const authority = JSON.stringify(random.pick(ISSUERS));
    return `{"authority":${authority},${combination(random, 0)}}`;
  });
  const policy = `{"version":"1.0.0",${JSON.stringify(listName(random, 'anyOf'))}:[${entries}]}`;
  return { policy, claims: randomClaims(random, policy) };
}

function times<Value>(random: SeededRandom, least: number, most: number, make: () => Value) {
  return Array.from({ length: least + random.below(most - least + 1) }, make);
}

function listName(random: SeededRandom, name: 'anyOf' | 'allOf'): string {
  return random.pick([name, name, name, name.toLowerCase(), name.toUpperCase()]);
}

function combination(random: SeededRandom, depth: number): string {
  const name = listName(random, random.pick(['anyOf', 'allOf', 'allOf']));
  const rules = times(random, 1, 3, () =>
    depth < 3 && random.chance(0.2) ? `{${combination(random, depth + 1)}}` : condition(random),
  );
  return `${JSON.stringify(name)}:[${rules}]`;
}

function condition(random: SeededRandom): string {
  const claim = random.pick(CLAIMS);
  const [operator, value] = demand(random, claim);
  const members = [`"claim":${JSON.stringify(claim)}`, `${JSON.stringify(operator)}:${value}`];
  return `{${random.chance(0.5) ? members : members.reverse()}}`;
}

const ORDERS = ['less', 'lessOrEquals', 'greater', 'greaterOrEquals'];
const TRUTHS = ['"true"', '"false"', 'true', 'false'];

function demand(random: SeededRandom, claim: string): [string, string] {
  const equality = random.pick(['equals', 'equals', 'notEquals']);
  if (random.chance(0.12)) return ['exists', random.pick(TRUTHS)];
  if (TEXTS.includes(claim)) return [equality, random.pick(TEXT_VALUES)];
  if (INTEGERS.includes(claim)) {
    const value = random.pick(INTEGER_VALUES);
    const operator = random.pick([equality, ...ORDERS]);
    return [operator, random.chance(0.5) ? value : JSON.stringify(value)];
  }
  if ([...BOOLEANS, ...DEEP_BOOLEANS].includes(claim)) return [equality, random.pick(TRUTHS)];
  const value = random.pick([...TEXT_VALUES, ...INTEGER_VALUES, 'true', 'false']);
  const operator = INTEGER_VALUES.includes(value) ? random.pick([equality, ...ORDERS]) : equality;
  return [operator, value];
}

/** A tree of claims in the making; a leaf is a JSON text. */
interface Members {
  [name: string]: string | Members;
}

function randomClaims(random: SeededRandom, policy: string): string {
  const claims: Members = Object.create(null);
  const conditions = policy.matchAll(/\{[^{}[\]]*"claim"[^{}[\]]*\}/g);
  for (const [text] of conditions) {
    if (random.chance(0.9)) place(claims, ...nearValue(random, text));
  }
  for (const claim of times(random, 0, 3, () => random.pick(CLAIMS))) {
    place(claims, claim, anyValue(random));
  }
  const flat = random.pick(CLAIMS.filter((each) => each.includes('.')));
  // A dotted name that is one member, not a path; and one below an element of a list.
  if (random.chance(0.1)) claims[flat] = anyValue(random);
  if (random.chance(0.1)) claims['a'] = `[{"b":{"c":${anyValue(random)}}}]`;
  claims['iss'] = random.chance(0.95) ? JSON.stringify(random.pick(ISSUERS)) : anyValue(random);
  return print(random, claims);
}

/** What meets the condition, or is off by one or by its type. */
function nearValue(random: SeededRandom, text: string): [string, string] {
  const rule: Record<string, unknown> = JSON.parse(text);
  const claim = String(rule['claim']);
  const [, wanted] = Object.entries(rule).find(([name]) => name !== 'claim') ?? [];
  const chance = random.below(100);
  if (chance < 20) return [claim, anyValue(random)];
  const typed =
    INTEGERS.includes(claim) || BOOLEANS.includes(claim) || DEEP_BOOLEANS.includes(claim);
  const value = typed && chance < 95 ? String(wanted) : JSON.stringify(wanted);
  if (/^-?\d+$/.test(value) && chance < 60)
    return [claim, String(Number(value) + random.below(3) - 1)];
  return [claim, value];
}

function anyValue(random: SeededRandom): string {
  const kinds = [TEXT_VALUES, INTEGER_VALUES, ['true', 'false'], ODD_NUMBERS, OTHERS];
  return random.pick(random.pick(kinds));
}

function place(claims: Members, claim: string, value: string): void {
  const path = claim.split('.');
  let at = claims;
  for (const name of path.slice(0, -1)) {
    const below = at[name];
    const next: Members = typeof below === 'object' ? below : Object.create(null);
    at[name] = next;
    at = next;
  }
  at[path.at(-1) ?? ''] = value;
}

function print(random: SeededRandom, members: Members): string {
  const space = random.pick(['', '', ' ', '\n\t']);
  const texts = Object.entries(members).map(([name, value]) => {
    const below = typeof value === 'string' ? value : print(random, value);
    return `${space}${JSON.stringify(name)}:${space}${below}`;
  });
  return `{${texts.join(',')}${space}}`;
}
