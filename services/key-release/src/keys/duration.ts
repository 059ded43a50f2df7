/**
 * Durations of rotation policies (ISO 8601), in years, months and days as Azure takes them.
 * @returns undefined for any other text
 */
export function parseDuration(text: string): Duration | undefined {
  const parts = /^P(?!$)(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?$/.exec(text);
  if (!parts) return undefined;
  const [years = 0, months = 0, days = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  return { months: years * 12 + months, days };
}

interface Duration {
  readonly months: number;
  readonly days: number;
}

/**
 * @param seconds since 1970
 * @param sign 1 for a time after, -1 for a time before
 */
export function shifted(seconds: number, { months, days }: Duration, sign: 1 | -1): number {
  const date = new Date(seconds * 1_000);
  date.setUTCMonth(date.getUTCMonth() + sign * months);
  date.setUTCDate(date.getUTCDate() + sign * days);
  return Math.floor(date.getTime() / 1_000);
}

/** Whole days at least: a month counts as its shortest. */
export function daysAtLeast({ months, days }: Duration): number {
  return months * 28 + days;
}
