import { domainToASCII } from 'node:url';
import type { Canonical, CanonicalForm } from '@strongroom/protocol/canonical-form';
import {
  type CountryCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';

/**
 * What a text is in a canonical form; undefined where it has none. The rules are in docs/joins.md,
 * and what they make of examples in schemas/canonical-forms: another producer has to agree with
 * every one of them. What changes any of them is a form of another name.
 */
export function canonicalText(text: string, { form, region }: Canonical): string | undefined {
  if (form === 'exact') return text;
  // What a newer Unicode assigns, two producers could fold in two ways.
  return UNASSIGNED.test(text) ? undefined : FORMS[form](text, region) || undefined;
}

/** Of `phone/1`: another release may read some number in another way. */
export const PHONE_LIBRARY_VERSION = '1.13.16';

/** Whether numbers can be read as of a region. */
export function isRegion(region: string): region is CountryCode {
  return isSupportedCountry(region);
}

type Rule = (text: string, region: string | undefined) => string | undefined;

const FORMS: Readonly<Record<Exclude<CanonicalForm, 'exact'>, Rule>> = {
  'trimmed/1': (text) => trimmed(text.normalize('NFC')),
  'case-folded/1': (text) => trimmed(folded(text)),
  'email/1': emailOf,
  'phone/1': phoneOf,
};

const UNASSIGNED = /[\p{Cn}\p{Cs}]/u;
const ENDS = /^\p{White_Space}+|\p{White_Space}+$/gu;
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu;

function trimmed(text: string): string {
  return text.replace(ENDS, '');
}

/**
 * Unicode's NFKC_Casefold (chapter 3.13) by the mappings that a JavaScript engine has: lower case
 * of upper case is the full case folding, but that it takes a dotless i for an i. The capital sharp
 * s has an upper case of its own, so lower case comes first; lower case alone knows a final sigma.
 */
function folded(text: string): string {
  const compatible = text.normalize('NFKC').replace(IGNORABLE, '');
  const lower = compatible.toLowerCase().toUpperCase().toLowerCase();
  return lower.replaceAll('ς', 'σ').normalize('NFKC');
}

/** RFC 5321 §4.1.2, with the letters of RFC 6531 §3.3; no quoted local part, no address literal. */
const LOCAL_PART =
  /^[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+(\.[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+)*$/u;
const WHITE_SPACE = /\p{White_Space}|\p{Cc}/u;
/** RFC 5321 §4.5.3.1. */
const LOCAL_PART_BYTES_MAX = 64;
const ADDRESS_BYTES_MAX = 254;
/** Letters, digits and hyphens (RFC 1035 §2.3.1, RFC 1123 §2.1), two labels or more. */
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** A URL's host may hold these in other spellings; an address may not. */
const NO_DOMAIN = /[%/:@?#[\]\\]/;

/** Local parts differ in case by RFC 5321 and for nobody who gives out addresses. */
function emailOf(text: string): string | undefined {
  const address = trimmed(text);
  const at = address.lastIndexOf('@');
  const local = folded(address.slice(0, Math.max(0, at)));
  const name = address.slice(at + 1);
  if (NO_DOMAIN.test(name) || WHITE_SPACE.test(address)) return undefined;
  const domain = domainToASCII(name);
  if (!LOCAL_PART.test(local) || !DOMAIN.test(domain)) return undefined;
  const bytes = Buffer.byteLength(local);
  if (bytes > LOCAL_PART_BYTES_MAX) return undefined;
  return bytes + 1 + domain.length > ADDRESS_BYTES_MAX ? undefined : `${local}@${domain}`;
}

/** E.164 of a number that is in use by the numbering plan, and has no extension. */
function phoneOf(text: string, region: string | undefined): string | undefined {
  const country = region !== undefined && isRegion(region) ? { defaultCountry: region } : {};
  const number = parsePhoneNumberFromString(text, { ...country, extract: false });
  return number?.isValid() && number.ext === undefined ? number.number : undefined;
}
