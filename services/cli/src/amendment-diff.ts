import { type Contract, datasetsOf } from '@strongroom/protocol/contract';
import { printable } from '@strongroom/runtime/printable';
import {
  EFFECTS,
  type Effect,
  type Found,
  fromTo,
  namesAt,
  revealing,
  type SentenceRule,
} from './amendment-sentence.ts';
import { type Difference, differencesIn, ORDER } from './contract-differences.ts';
import { DATASET_SENTENCES } from './dataset-sentences.ts';
import { DOCUMENT_SENTENCES, ENCLAVE_SENTENCES, PARTY_SENTENCES } from './party-sentences.ts';
import { QUERY_SENTENCES } from './query-sentences.ts';

/** One sentence about an amendment, and every place of the document that it is about. */
export interface Change {
  readonly effect: Effect;
  readonly text: string;
  readonly detail: readonly string[];
  /** Names of members, joined with slashes. */
  readonly places: readonly string[];
  /** What stands at each of these places, whole; what is not there is left out. */
  readonly values: readonly { readonly before?: unknown; readonly after?: unknown }[];
  /** Parties that it touches; all when absent. */
  readonly concerns?: readonly string[];
  /** No sentence is known for it: it is shown as it is, and is to be read with care. */
  readonly raw: boolean;
}

const RULES: readonly SentenceRule[] = [
  ...QUERY_SENTENCES,
  ...DATASET_SENTENCES,
  ...PARTY_SENTENCES,
  ...ENCLAVE_SENTENCES,
  ...DOCUMENT_SENTENCES,
];

/** All that an amendment changes, the most dangerous first; nothing that differs is left out. */
export function changesBetween(old: Contract, now: Contract): Change[] {
  const changes = new Map<string, Change>();
  for (const difference of differencesIn(old, now)) {
    const change = changeOf(difference, old, now);
    const known = changes.get(change.text);
    changes.set(change.text, known ? merged(known, change) : change);
  }
  const rank = ({ effect, raw }: Change) => EFFECTS.indexOf(effect) - (raw ? 0.5 : 0);
  return [...changes.values()].sort((left, right) => rank(left) - rank(right));
}

function changeOf(difference: Difference, old: Contract, now: Contract): Change {
  const { path } = difference;
  const { before, after } = difference;
  const at = { places: [path.join('/')], values: [{ before, after }] };
  if (path.at(-1) === ORDER) {
    const text = `the order of ${path.slice(0, -1).join('.')} goes ${fromTo(difference)}`;
    return { effect: 'changes', text, detail: [], ...at, raw: false };
  }
  for (const [pattern, say] of RULES) {
    const names = namesAt(pattern, path);
    if (!names) continue;
    const found: Found = { ...difference, names, old, now };
    return { detail: [], ...say(found), ...at, ...concerned(found), raw: false };
  }
  const { effect, text } = revealing(`NOT EXPLAINED: ${path.join('/')} ${fromTo(difference)}`);
  return { effect, text, detail: [], ...at, raw: true };
}

/** Several places that say the same: a window of another kind has other members. */
function merged(one: Change, other: Change): Change {
  const detail = [...one.detail, ...other.detail.filter((line) => !one.detail.includes(line))];
  const places = [...one.places, ...other.places];
  return { ...one, detail, places, values: [...one.values, ...other.values] };
}

/** Who is read and who reads; what is about parties and the enclave concerns everybody. */
function concerned({ path: [section, id], old, now }: Found): { concerns?: string[] } {
  const parties = new Set<string>();
  for (const contract of [old, now]) {
    const relation = contract.datasets.find((each) => each.id === id)?.relation;
    for (const query of contract.queries) {
      const isRead = query.relations.some((each) => each === relation);
      const isMeant = section === 'queries' ? query.id === id : isRead;
      if (!isMeant) continue;
      for (const reader of query.readers) parties.add(reader);
      for (const each of query.relations) {
        for (const { owner } of datasetsOf(contract, each)) parties.add(owner);
      }
    }
    for (const dataset of contract.datasets) {
      if (section === 'datasets' && dataset.id === id) parties.add(dataset.owner);
    }
  }
  const isOfSome = section === 'queries' || section === 'datasets';
  return isOfSome ? { concerns: [...parties].sort() } : {};
}

export const EFFECT_TITLES: Readonly<Record<Effect, string>> = {
  reveals: 'MORE LEAVES THE ENCLAVE, OR TO SOMEBODY ELSE',
  trusts: 'More is trusted',
  changes: 'Other changes',
  tightens: 'Less is allowed',
};

/** @param party whose view it is: what does not touch it stands behind, and is not left out */
export function changeLines(changes: readonly Change[], party?: string): string[] {
  if (changes.length === 0) return ['Nothing changes.'];
  const isOwn = ({ concerns }: Change) => concerns === undefined || concerns.includes(party ?? '');
  if (party === undefined) return sections(changes);
  const others = changes.filter((change) => !isOwn(change));
  return [
    `For ${party}:`,
    ...sections(changes.filter(isOwn)),
    ...(others.length === 0 ? [] : ['', 'Between others:', ...sections(others)]),
  ];
}

function sections(changes: readonly Change[]): string[] {
  return EFFECTS.flatMap((effect) => {
    const own = changes.filter((change) => change.effect === effect);
    return own.length === 0 ? [] : [EFFECT_TITLES[effect], ...own.flatMap(linesOf)];
  });
}

function linesOf({ text, detail, places }: Change): string[] {
  const lines = [`  - ${text}`, ...detail.map((line) => `      ${line}`)];
  return [...lines, `      (${places.join(', ')})`].map(printable);
}
