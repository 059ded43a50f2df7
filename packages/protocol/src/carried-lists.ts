import { z } from 'zod';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import type { ErrorFacts } from './errors.ts';
import { REVOCATION_LIST_BYTES_MAX, REVOCATION_LISTS_SAVED_MAX } from './limits.ts';

/**
 * Revocation lists of AMD's in a file that proves something, by which machines were judged when it
 * was written: nobody may be there to ask for them later. DER in base64url.
 */
export const CarriedListsSchema = z.array(z.string()).max(REVOCATION_LISTS_SAVED_MAX);

/** The member of a file; without a list there is none. */
export function carryLists(lists: readonly Uint8Array[]): { revocationLists?: string[] } {
  return lists.length === 0 ? {} : { revocationLists: lists.map(encodeBase64url) };
}

/** @param malformed the error of the file that they are in */
export function listsIn(
  { revocationLists = [] }: { readonly revocationLists?: readonly string[] },
  malformed: (facts: ErrorFacts) => Error,
): Uint8Array[] {
  return revocationLists.map((text, index) => {
    const list = decodeBase64url(text);
    if (!list) throw malformed({ place: `revocationLists.${index}` });
    if (list.length > REVOCATION_LIST_BYTES_MAX) {
      throw malformed({ limit: 'REVOCATION_LIST_BYTES_MAX' });
    }
    return list;
  });
}
