import { readFileSync } from 'node:fs';
import { CANONICAL_FORMS, CanonicalSchema } from '@strongroom/protocol/canonical-form';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { canonicalText, PHONE_LIBRARY_VERSION } from './canonical-form.ts';

const VECTORS = new URL('../../../schemas/canonical-forms/vectors.json', import.meta.url);
const { phoneLibrary, cases } = z
  .strictObject({
    phoneLibrary: z.string(),
    cases: z.array(CanonicalSchema.extend({ text: z.string(), canonical: z.string().nullable() })),
  })
  .parse(JSON.parse(readFileSync(VECTORS, 'utf8')));

describe('every text has the form that all producers give it', () => {
  test.each(cases)('$form of $text is $canonical', ({ text, canonical, ...form }) => {
    expect(canonicalText(text, form) ?? null).toBe(canonical);
  });

  test('every form is among them, with texts that have none', () => {
    for (const form of CANONICAL_FORMS.slice(1)) {
      const own = cases.filter((each) => each.form === form);
      expect(own.some(({ canonical }) => canonical === null)).toBe(true);
      expect(own.some(({ canonical, text }) => canonical !== null && canonical !== text)).toBe(
        true,
      );
    }
  });
});

test('phone numbers are read by the library that the form is named after', () => {
  const pinned = new URL('../../../pnpm-workspace.yaml', import.meta.url);
  const line = `\n  libphonenumber-js: ${PHONE_LIBRARY_VERSION}\n`;
  expect(readFileSync(pinned, 'utf8')).toContain(line);
  expect(phoneLibrary).toContain(PHONE_LIBRARY_VERSION);
});

test('a form is its own form, whatever the text was', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.emailAddress(),
    fc.constantFrom(...cases.map(({ text }) => text)),
  );
  fc.assert(
    fc.property(texts, fc.constantFrom(...CANONICAL_FORMS), (text, form) => {
      const once = canonicalText(text, { form, region: 'CH' });
      if (once !== undefined) expect(canonicalText(once, { form, region: 'DE' })).toBe(once);
    }),
    { numRuns: 500 },
  );
});

test('case and composition make no difference to a folded text', () => {
  const form = { form: 'case-folded/1' } as const;
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const once = canonicalText(text, form);
      for (const other of [text.toUpperCase(), text.normalize('NFD'), ` ${text}\n`]) {
        expect(canonicalText(other, form)).toBe(once);
      }
    }),
    { numRuns: 300 },
  );
});
