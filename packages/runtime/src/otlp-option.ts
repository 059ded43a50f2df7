import { z } from 'zod';

/** Where traces go to: the same option of every command that makes some. */
export const OTLP_OPTION = [
  '--otlp <url>',
  'send traces there, by OTLP over HTTP; env OTEL_EXPORTER_OTLP_ENDPOINT',
] as const;

/** The member of settings that it becomes. */
export const OtlpSchema = z.exactOptional(z.url({ protocol: /^https?$/ }));
