import { AUTHORITIES_MAX } from '@strongroom/protocol/limits';
import { AGREEING_CLAIM, OWN_VERIFICATION_CLAIM } from './claim-types.ts';
import type { CompiledPolicy, Condition, PolicyEntry, Rule } from './compile.ts';
import { waysOf } from './entailment.ts';
import { type Claims, type Finding, judge, lookUp, nearest } from './evaluate.ts';
import { demandText, valueText } from './wording.ts';

/**
 * What a policy demands, one line a demand, indented as it is nested. Demands that every way to the
 * key shares are said once.
 */
export function demandLines(policy: CompiledPolicy): string[] {
  const groups = groupedEntries(policy);
  const [first, ...others] = groups;
  if (!first || waysOf(policy)?.length === 0) return [NOBODY];
  if (others.length === 0)
    return lines(`${tokenOf(first)} in which all of this holds:`, first.demands);
  const shared = first.demands.filter((each) => others.every((way) => way.demands.includes(each)));
  const ways = groups.flatMap((group, index) => {
    const own = group.demands.filter((each) => !shared.includes(each));
    return lines(`${index + 1}. ${tokenOf(group)}${own.length > 0 ? ':' : ''}`, own.map(indented));
  });
  const start = shared.length > 0 ? 'and one' : 'One';
  return [
    ...(shared.length > 0 ? lines('In every case all of this must hold:', shared) : []),
    ...lines(`${start} of these ${groups.length} must hold:`, ways.map(indented)),
  ];
}

const lines = (title: string, texts: readonly string[]) => [title, ...texts].join('\n').split('\n');
const NOBODY = 'Nobody gets the key: the demands contradict themselves.';
const tokenOf = ({ authorities }: EntryGroup) => `A token of ${authorities.join(' or ')}`;

interface EntryGroup {
  readonly authorities: string[];
  /** A text for each demand; one that is nested has line breaks. */
  readonly demands: readonly string[];
}

/** Entries that demand the same of different authorities become one. */
function groupedEntries(policy: CompiledPolicy): EntryGroup[] {
  const groups = new Map<string, EntryGroup>();
  for (const { authority, rule } of policy.entries) {
    const rules = rule.kind === 'allOf' ? rule.rules : [rule];
    const demands = [...new Set(rules.map((each) => ruleLines(each).map(indented).join('\n')))];
    const group = groups.get(demands.join('\n'));
    if (group === undefined) groups.set(demands.join('\n'), { authorities: [authority], demands });
    else if (!group.authorities.includes(authority)) group.authorities.push(authority);
  }
  return [...groups.values()];
}

const indented = (text: string) => text.replace(/^/gm, '  ');

function ruleLines(rule: Rule): string[] {
  if (rule.kind === 'condition') return [`- ${demandText(rule)}`];
  const [only, ...more] = rule.rules;
  if (only && more.length === 0) return ruleLines(only);
  const title = rule.kind === 'anyOf' ? '- at least one of these:' : '- all of these:';
  return [title, ...rule.rules.flatMap(ruleLines).map((line) => `    ${line}`)];
}

/** Why one condition is met or not. */
export interface ClaimExplanation {
  readonly place: string;
  readonly claim: string;
  readonly met: boolean;
  readonly sentence: string;
  /** By how much a number misses the nearest one that is accepted. */
  readonly off?: number;
}

export interface TokenExplanation {
  readonly granted: boolean;
  /** The way to the key that was met, or that misses least. */
  readonly nearest: string;
  /** How many ways there are. */
  readonly ways: number;
  readonly claims: readonly ClaimExplanation[];
}

/**
 * Why a policy lets these claims have a key or not. The authority counts as one demand more, so
 * that the nearest way of a token of somebody else is found too.
 * @param claims of a token; whether it is genuine is not judged here
 */
export function explainToken(policy: CompiledPolicy, claims: Claims): TokenExplanation {
  const judged = policy.entries.map((entry) => {
    const { missed, findings } = judge(entry.rule, claims);
    const issuer = issuerFinding(entry, claims);
    return {
      place: entry.place,
      missed: missed + (issuer.met ? 0 : 1),
      findings: [issuer, ...findings],
    };
  });
  const best = nearest(judged);
  return {
    granted: best?.missed === 0,
    nearest: best?.place ?? '(policy)',
    ways: judged.length,
    claims: best?.findings.map(explainFinding) ?? [],
  };
}

/** As key release does: what a token says of claims that no token may carry is not heard. */
export function withoutAddedClaims(claims: Claims): Claims {
  const added = [OWN_VERIFICATION_CLAIM, AGREEING_CLAIM];
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !added.includes(name)));
}

/** What key release adds when its own verification accepts and every authority agrees. */
export const SUPPOSED_GUARDS: Claims = {
  [OWN_VERIFICATION_CLAIM]: 'accepted',
  [AGREEING_CLAIM]: AUTHORITIES_MAX,
};

function issuerFinding({ place, authority }: PolicyEntry, claims: Claims): Finding {
  const found = lookUp(claims, ['iss']);
  const condition: Condition = {
    ...{ kind: 'condition', place: `${place}.authority`, claim: 'iss', path: ['iss'] },
    ...{ operator: 'equals', expected: authority },
  };
  return { condition, found, met: found === authority };
}

function explainFinding({ condition, found, met }: Finding): ClaimExplanation {
  const { place, claim } = condition;
  const off = met ? undefined : distance(condition, found);
  const value = found === undefined ? 'missing' : valueText(claim, found);
  const isRepeated = met && (condition.operator === 'equals' || found === undefined);
  const why = met ? '' : missText(condition, found, off);
  const sentence = `${demandText(condition)}: it is${isRepeated ? '' : ` ${value}${why}`}`;
  return { place, claim, met, sentence, ...(off === undefined ? {} : { off }) };
}

function missText({ operator, expected }: Condition, found: unknown, off?: number): string {
  if (operator === 'exists' || found === undefined) return '';
  if (off !== undefined) return `, ${Math.abs(off)} too ${off < 0 ? 'low' : 'high'}`;
  if (typeof found === 'number' && !Number.isSafeInteger(found)) {
    return ', no integer that JSON carries exactly';
  }
  if (typeof found !== typeof expected) {
    return `, ${kindText(found)}and not ${KIND_WORDS[typeof expected]}`;
  }
  const sameLetters = String(found).toLowerCase() === String(expected).toLowerCase();
  return operator === 'equals' && sameLetters ? ', which differs in case' : '';
}

const KIND_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'an integer',
  boolean: 'true or false',
};

/** Nothing for lists and objects, which are named by their kind already. */
function kindText(found: unknown): string {
  const words = KIND_WORDS[typeof found];
  return words === undefined ? '' : `which is ${words} `;
}

/** Negative when the number is too low. */
function distance({ operator, expected }: Condition, found: unknown): number | undefined {
  if (!Number.isSafeInteger(found) || typeof found !== 'number') return undefined;
  if (typeof expected !== 'number' || operator === 'notEquals') return undefined;
  const one = operator === 'less' ? -1 : operator === 'greater' ? 1 : 0;
  return found - (expected + one);
}

/** The explanation for people, one line a claim. */
export function tokenLines({ granted, nearest: place, ways, claims }: TokenExplanation): string[] {
  const missed = claims.filter(({ met }) => !met).length;
  const which = ways === 1 ? 'The policy has one way' : `The nearest of ${ways} ways is ${place}`;
  const title = granted
    ? `The token meets all ${claims.length} demands of ${place}:`
    : `${which}; the token misses ${missed} of its ${claims.length} demands:`;
  return [title, ...claims.map(({ met, sentence }) => `  ${met ? 'yes' : 'NO '} ${sentence}`)];
}
