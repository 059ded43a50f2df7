import { z } from 'zod';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { CarriedListsSchema, carryLists, listsIn } from './carried-lists.ts';
import { type SignedContract, SignedContractSchema } from './contract.ts';
import { type ErrorFacts, StrongroomError } from './errors.ts';
import { RECEIPTS_SAVED_MAX, RESULT_PARTS_MAX, SAVED_RESULT_CHARACTERS_MAX } from './limits.ts';

/**
 * One result in a file, with everything that proves it: for whoever was handed a number and wants
 * to know where it comes from. Its rows stay sealed to the reader that they were made for.
 */
export const SavedResultSchema = z.strictObject({
  strongroom: z.literal('saved-result/v1'),
  contract: SignedContractSchema,
  /** As they lay on the log: the worker's proof, receipts of owners, the result's parts last. */
  records: z
    .array(
      z.strictObject({
        key: z.string().nullable(),
        headers: z.record(z.string(), z.string()),
        /** Bytes in base64url. */
        value: z.string(),
      }),
    )
    .min(2)
    .max(1 + RECEIPTS_SAVED_MAX + RESULT_PARTS_MAX),
  /** Of AMD's, by which the worker's machine was judged when it was saved: DER in base64url. */
  revocationLists: z.exactOptional(CarriedListsSchema),
});

export interface SavedRecord {
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Uint8Array;
}

export interface SavedResult {
  readonly contract: SignedContract;
  readonly records: readonly SavedRecord[];
  readonly revocationLists: readonly Uint8Array[];
}

export function writeSavedResult({ contract, records, revocationLists }: SavedResult): string {
  const lines = records.map(({ key, headers, value }) => ({
    key,
    headers,
    value: encodeBase64url(value),
  }));
  const lists = carryLists(revocationLists);
  const file = { strongroom: 'saved-result/v1', contract, records: lines, ...lists };
  return `${JSON.stringify(file)}\n`;
}

/** The shape alone: nothing of it is verified. @throws ERR_SAVED_RESULT */
export function parseSavedResult(text: string): SavedResult {
  if (text.length > SAVED_RESULT_CHARACTERS_MAX) {
    throw malformed({ limit: 'SAVED_RESULT_CHARACTERS_MAX' });
  }
  const file = SavedResultSchema.safeParse(parseJson(text));
  if (!file.success) {
    throw malformed({ place: file.error.issues[0]?.path.join('.') || '(document)' });
  }
  const bytesOf = (value: string, place: string) => {
    const bytes = decodeBase64url(value);
    if (!bytes) throw malformed({ place });
    return bytes;
  };
  const records = file.data.records.map(({ key, headers, value }, index) => {
    return { key, headers, value: bytesOf(value, `records.${index}.value`) };
  });
  const revocationLists = listsIn(file.data, malformed);
  return { contract: file.data.contract, records, revocationLists };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed({ place: '(document)' });
  }
}

function malformed(facts: ErrorFacts): StrongroomError {
  return new StrongroomError('ERR_SAVED_RESULT', facts);
}
