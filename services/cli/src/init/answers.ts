import { PLATFORM_KINDS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { DatasetIdSchema, PartyIdSchema, SqlNameSchema } from '@strongroom/protocol/fields';
import { readJsonFile } from '@strongroom/runtime/files';
import { z } from 'zod';

export const ROLES = ['owner', 'reader', 'both'] as const;

const httpsUrl = z
  .url({ protocol: /^https$/ })
  .refine((text) => !text.endsWith('/'), 'no slash at the end');

/** All that `strongroom init` wants to know; flags, `--answers` and prompts have these names. */
const ANSWERS = {
  party: PartyIdSchema,
  name: z.string().min(1).max(200),
  role: z.enum(ROLES),
  folder: z.string().min(1),
  platform: z.enum(PLATFORM_KINDS),
  /** Of owners. */
  keysUrl: httpsUrl,
  dataset: DatasetIdSchema,
  relation: SqlNameSchema,
  /** A file with rows, from which columns are taken; of owners. */
  source: z.exactOptional(z.string().min(1)),
  /** How that file is written, where it is CSV of another kind than RFC 4180's. */
  csv: z.exactOptional(z.string().min(1)),
  /** The attestation service that the contract is to name. */
  attestation: httpsUrl,
  /** A draft that another party has begun; without it a new one is begun. */
  join: z.exactOptional(z.string().min(1)),
} as const;

const AnswersSchema = z.strictObject(ANSWERS);
export type Answers = z.infer<typeof AnswersSchema>;
export type GivenAnswers = { readonly [Name in keyof Answers]?: string | undefined };

/** What is taken where nobody says otherwise; of the party's id nothing can be guessed. */
export function defaultsFor(given: GivenAnswers): GivenAnswers {
  const party = given.party ?? '';
  return {
    name: party,
    role: 'owner',
    folder: party,
    platform: 'amd',
    keysUrl: 'https://localhost:8470',
    dataset: `rows-${party}`,
    relation: 'data',
    attestation: 'https://localhost:8480',
  };
}

/** @throws ERR_USAGE with the first answer that is missing or wrong */
export function wholeAnswers(given: GivenAnswers): Answers {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const parsed = AnswersSchema.safeParse({ ...defaultsFor(given), ...Object.fromEntries(set) });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0] ?? '');
  throw new StrongroomError('ERR_USAGE', { answer: name, problem: issue?.message ?? 'is wrong' });
}

/** @returns why a value will not do; undefined when it does */
export function problemOf(name: keyof Answers, value: string): string | undefined {
  const parsed = ANSWERS[name].safeParse(value);
  return parsed.success ? undefined : parsed.error.issues[0]?.message;
}

/** @throws ERR_USAGE for what is no object of texts with known names */
export async function readAnswers(path: string): Promise<GivenAnswers> {
  const shape = z.partialRecord(z.enum(namesOf(ANSWERS)), z.string());
  const parsed = shape.safeParse(await readJsonFile(path));
  if (parsed.success) return parsed.data;
  const known = Object.keys(ANSWERS).join(', ');
  throw new StrongroomError('ERR_USAGE', { path, problem: `an object of texts: ${known}` });
}

function namesOf<Name extends string>(record: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(record) as Name[];
}

export const isOwner = ({ role }: Answers) => role !== 'reader';
export const isReader = ({ role }: Answers) => role !== 'owner';
