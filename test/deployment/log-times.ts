import { jsonLines } from './pipeline.ts';
import type { Finished } from './processes.ts';

/** When each event was logged for the first time, in milliseconds since 1970. */
export function firstLogged({ stderr }: Finished): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const { event, time } of jsonLines<{ event: string; time: string }>(stderr)) {
    if (!times.has(event)) times.set(event, Date.parse(time));
  }
  return times;
}
