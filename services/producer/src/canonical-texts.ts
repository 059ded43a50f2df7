import type { Canonical } from '@strongroom/protocol/canonical-form';
import type { ColumnContract, Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { JoinKey } from '@strongroom/sealing/join-key';
import { canonicalText, isRegion } from './canonical-form.ts';
import type { TextVector } from './source-vector.ts';
import { TextInterner } from './text-interner.ts';

/** What a run does with columns that have a canonical form. */
export interface FormOptions {
  /** Keys that the owners share; the contract says which column needs which. */
  readonly joinKeys?: readonly JoinKey[] | undefined;
  /** A value without that form: the row is refused, or has no value there. Default: refused. */
  readonly withoutForm?: WithoutForm | undefined;
}

export const WITHOUT_FORM = ['refuse', 'null'] as const;
type WithoutForm = (typeof WITHOUT_FORM)[number];

/** What is published for a text; undefined where it has no canonical form. */
export type TextForm = (text: string) => string | undefined;

/**
 * Before a row is read: whether this producer can make every form that the contract names.
 * @throws ERR_JOIN_KEY_MISSING, ERR_COLUMN_FORM
 */
export function demandForms(dataset: Dataset, options: FormOptions): void {
  for (const column of dataset.columns) textFormOf(column, options);
}

/** Undefined for a column whose values stay as they are. @throws as `demandForms` */
export function textFormOf(
  { name, canonical }: ColumnContract,
  { joinKeys = [] }: FormOptions,
): TextForm | undefined {
  if (!canonical) return undefined;
  const { form, region, hashedWith } = canonical;
  if (region !== undefined && !isRegion(region)) {
    throw new StrongroomError('ERR_COLUMN_FORM', { column: name, form, problem: region });
  }
  const plain: TextForm = (text) => canonicalText(text, canonical);
  if (hashedWith === undefined) return plain;
  const joinKey = joinKeys.find(({ keyId }) => keyId === hashedWith);
  if (!joinKey) {
    const found = joinKeys.map(({ keyId }) => keyId);
    throw new StrongroomError('ERR_JOIN_KEY_MISSING', { column: name, key: hashedWith, found });
  }
  return (text) => hashed(text, canonical, joinKey);
}

function hashed(text: string, canonical: Canonical, joinKey: JoinKey): string | undefined {
  const found = canonicalText(text, canonical);
  return found === undefined ? undefined : joinKey.hash(canonical.form, found);
}

/** No number of a text: it has no canonical form. */
export const NO_FORM = -2;

/** Numbers the texts of one column's batch in their canonical form; each is formed once a batch. */
export class CanonicalTexts {
  readonly #form: TextForm;
  readonly #formed: TextInterner;
  readonly #source = new TextInterner();
  /** By the number of a source's text: that of its form. */
  #numbers: number[] = [];

  /** @param formed takes the forms */
  constructor(form: TextForm, formed: TextInterner) {
    this.#form = form;
    this.#formed = formed;
  }

  /** -1 for what is not UTF-8, NO_FORM for what has no form. */
  intern(vector: TextVector, row: number): number {
    const source = vector.intern(row, this.#source);
    if (source < 0) return source;
    // A new text has the next number.
    if (source === this.#numbers.length) this.#numbers.push(this.#numberOf(source));
    return this.#numbers[source] ?? NO_FORM;
  }

  clear(): void {
    this.#source.clear();
    this.#numbers = [];
  }

  #numberOf(source: number): number {
    const { bytes, offsets } = this.#source.dictionary();
    const text = Buffer.from(bytes.subarray(offsets[source], offsets[source + 1])).toString('utf8');
    const formed = this.#form(text);
    if (formed === undefined) return NO_FORM;
    const utf8 = Buffer.from(formed);
    return this.#formed.intern(utf8, 0, utf8.length);
  }
}
