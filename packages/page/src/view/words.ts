/** How pages say times, windows, hashes and numbers. */

const DAY_MS = 86_400_000;

/** `2001-01-31` for a day, `2001-01-31 06:30 – 07:30` for less, both ends for more; always UTC. */
export function windowText(window: { readonly start: number; readonly end: number } | null) {
  if (window === null) return 'the whole data';
  const [start, end] = [isoText(window.start), isoText(window.end)];
  const isDays = window.start % DAY_MS === 0 && window.end % DAY_MS === 0;
  if (isDays && window.end - window.start === DAY_MS) return start.slice(0, 10);
  if (isDays) return `${start.slice(0, 10)} – ${isoText(window.end - DAY_MS).slice(0, 10)}`;
  const sameDay = start.slice(0, 10) === end.slice(0, 10);
  return `${minuteText(start)} – ${sameDay ? end.slice(11, 16) : minuteText(end)}`;
}

function minuteText(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ');
}

/** JavaScript's dates end there, and a record may say anything. */
const MILLISECONDS_SHOWN_MAX = 8.64e15;

export function isoText(milliseconds: number): string {
  if (!(Math.abs(milliseconds) <= MILLISECONDS_SHOWN_MAX)) return String(milliseconds);
  return new Date(milliseconds).toISOString();
}

/** `2001-01-31 06:30:05`, in UTC. */
export function secondText(milliseconds: number): string {
  return isoText(milliseconds).slice(0, 19).replace('T', ' ');
}

const UNITS = [
  ['day', DAY_MS],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
  ['millisecond', 1],
] as const;

/** In the largest unit that divides it: `day`, `90 minutes`. */
export function durationText(milliseconds: number): string {
  const [name, size] = UNITS.find(([_name, unit]) => milliseconds % unit === 0) ?? [
    'millisecond',
    1,
  ];
  const count = milliseconds / size;
  return count === 1 ? name : `${count} ${name}s`;
}

/** A hash that is recognised by its ends; the whole stands in its title. */
export function shortHash(hash: string): string {
  return `${hash.slice(0, 8)}…${hash.slice(-4)}`;
}

export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
