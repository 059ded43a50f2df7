import type { Query } from '@strongroom/protocol/contract';
import type { AggregateSeal } from '@strongroom/protocol/sealed-aggregate';

/** How the page says times, windows and numbers. */

const DAY_MS = 86_400_000;

/** `2001-01-31` for a day, `2001-01-31 06:30 – 07:30` for less, both ends for more; always UTC. */
export function windowText(window: AggregateSeal['window']): string {
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

export function isoText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** The contract's own words for how a query cuts time. */
export function cutText({ window }: Query): string {
  if (window.kind === 'whole') return 'one result over the whole data';
  if (window.kind === 'session') return 'a result per session';
  const size = durationText(window.sizeMs);
  return window.kind === 'tumbling'
    ? `a result every ${size}`
    : `results over ${size}, overlapping`;
}

const UNITS = [
  ['day', DAY_MS],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
  ['millisecond', 1],
] as const;

function durationText(milliseconds: number): string {
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
