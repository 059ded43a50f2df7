import { readFileSync } from 'node:fs';
import { z } from 'zod';

const ServiceOptionSchema = z.strictObject({
  /** As a help shows it: `--format <format>`. */
  flags: z.string(),
  text: z.string(),
  /** All that may follow it, when that is a closed list. */
  values: z.exactOptional(z.array(z.string())),
});

/** An option that the program of a service reads: the command passes it on unread. */
export type ServiceOption = z.infer<typeof ServiceOptionSchema>;

/** By the words of a command. */
export type ServiceOptions = Readonly<Record<string, readonly ServiceOption[]>>;

/** What scripts/write-cli.ts found in the services' own help; a test keeps it fresh. */
export function readServiceOptions(): ServiceOptions {
  const text = readFileSync(new URL('../service-options.json', import.meta.url), 'utf8');
  return z.record(z.string(), z.array(ServiceOptionSchema)).parse(JSON.parse(text));
}
