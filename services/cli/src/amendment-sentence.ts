import type { Contract } from '@strongroom/protocol/contract';
import type { Difference } from './contract-differences.ts';
import { isObject } from './json.ts';
import { isPublicKey, keyText } from './key-text.ts';

/** What a difference between two versions of a contract means, in words. */

/** The most dangerous first: more leaves, more is believed, it changes, less is allowed. */
export const EFFECTS = ['reveals', 'trusts', 'changes', 'tightens'] as const;
export type Effect = (typeof EFFECTS)[number];

export interface Sentence {
  readonly effect: Effect;
  readonly text: string;
  /** Lines below it: what the sentence itself does not say. */
  readonly detail?: readonly string[];
}

/** A difference, with what stands at the stars of the pattern that it met. */
export interface Found extends Difference {
  readonly names: readonly string[];
  readonly old: Contract;
  readonly now: Contract;
}

/** A place: names of members, `*` for any one, `**` at the end for all below it or none. */
export type SentenceRule = readonly [pattern: string, say: (found: Found) => Sentence];

/** @returns the names at the stars, undefined where the pattern is not met */
export function namesAt(pattern: string, path: readonly string[]): string[] | undefined {
  const parts = pattern.split('/');
  const open = parts.at(-1) === '**';
  const fixed = open ? parts.slice(0, -1) : parts;
  if (open ? path.length < fixed.length : path.length !== fixed.length) return undefined;
  const isMet = fixed.every((part, index) => part === '*' || part === path[index]);
  if (!isMet) return undefined;
  return path.filter((_name, index) => fixed[index] === '*');
}

export const revealing = (text: string, detail?: readonly string[]) =>
  sentence('reveals', text, detail);
export const trusting = (text: string, detail?: readonly string[]) =>
  sentence('trusts', text, detail);
export const changing = (text: string, detail?: readonly string[]) =>
  sentence('changes', text, detail);
export const tightening = (text: string, detail?: readonly string[]) =>
  sentence('tightens', text, detail);

function sentence(effect: Effect, text: string, detail?: readonly string[]): Sentence {
  return { effect, text, ...(detail === undefined || detail.length === 0 ? {} : { detail }) };
}

/** Whether something comes, goes, or becomes another one. */
export function turn({ before, after }: Difference): 'added' | 'removed' | 'changed' {
  if (before === undefined) return 'added';
  return after === undefined ? 'removed' : 'changed';
}

/** @param absent what is held where there is no number */
export function rises({ before, after }: Difference, absent: number): boolean {
  const value = (given: unknown) => (given === undefined ? absent : Number(given));
  return value(after) > value(before);
}

/** `from A to B`, each in one line. */
export function fromTo({ before, after }: Difference): string {
  return `from ${shown(before)} to ${shown(after)}`;
}

export function shown(value: unknown): string {
  if (value === undefined) return '(nothing)';
  return isPublicKey(value) ? keyText(value) : JSON.stringify(keysCalled(value));
}

/** All of a value, so that a sentence about it leaves nothing out. */
export function allOf(value: unknown): string[] {
  if (value === undefined) return [];
  if (isPublicKey(value)) return [keyText(value)];
  return JSON.stringify(keysCalled(value), null, 2).split('\n');
}

/** Nobody reads a modulus: a key is called by its thumbprint, and is whole in `values`. */
function keysCalled(value: unknown): unknown {
  if (isPublicKey(value)) return keyText(value);
  if (Array.isArray(value)) return value.map(keysCalled);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, keysCalled(each)]));
}
