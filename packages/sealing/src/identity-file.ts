import { StrongroomError } from '@strongroom/protocol/errors';
import { type PartyId, PartyIdSchema } from '@strongroom/protocol/fields';
import type { SecretReader } from './secret-reader.ts';

/** A party that results are addressed to. */
export interface Reader {
  readonly party: PartyId;
  /** Present for a party that reads results. */
  readonly reader?: SecretReader;
}

/** What an identity file says, before its keys are looked at. */
interface IdentityFile {
  readonly party: PartyId;
  readonly signing: unknown;
  readonly reading: unknown;
}

/** @throws ERR_IDENTITY_MALFORMED with the member that is wrong */
export function readIdentityFile(text: string): IdentityFile {
  const { party, signing, reading, ...more } = parseObject(text);
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw identityMalformed('a member that no identity has');
  const id = PartyIdSchema.safeParse(party);
  if (!id.success) throw identityMalformed('party');
  return { party: id.data, signing, reading };
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw identityMalformed('not JSON');
  }
  if (typeof value !== 'object' || value === null) throw identityMalformed('not a JSON object');
  return { ...value };
}

export function identityMalformed(member: string): StrongroomError {
  return new StrongroomError('ERR_IDENTITY_MALFORMED', { member });
}
