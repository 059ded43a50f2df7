import { expect, test } from 'vitest';
import { printable } from './printable.ts';

test('shows what would steer a terminal, and leaves letters of any language alone', () => {
  expect(printable('\u001b[2Jx\r\n\u009b\u202eevil')).toBe(
    '\\u{1b}[2Jx\\u{d}\\u{a}\\u{9b}\\u{202e}evil',
  );
  expect(printable('Zürich → 東京 ✈')).toBe('Zürich → 東京 ✈');
});
