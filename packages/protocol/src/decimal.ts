/**
 * Decimals of contracts and ledgers: exact, with one spelling each, and added as integers in units
 * of 10^-12.
 */
const FRACTION_DIGITS = 12;
const UNIT = 10n ** BigInt(FRACTION_DIGITS);

/** In units of 10^-12. @param text as AmountSchema or DecimalSchema has it */
export function unitsOf(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const units = BigInt(whole) * UNIT + BigInt(fraction.padEnd(FRACTION_DIGITS, '0'));
  return text.startsWith('-') ? -units : units;
}

/** The spelling of AmountSchema, for sums also beyond its largest amount. @param units from 0 on */
export function amountOf(units: bigint): string {
  const fraction = (units % UNIT).toString().padStart(FRACTION_DIGITS, '0').replace(/0+$/, '');
  return fraction === '' ? `${units / UNIT}` : `${units / UNIT}.${fraction}`;
}
