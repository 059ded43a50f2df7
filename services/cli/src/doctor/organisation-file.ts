import { join } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { readJsonFile } from '@strongroom/runtime/files';
import { z } from 'zod';

/** What `strongroom init` leaves behind, so that `doctor` knows where everything is. */
const ORGANISATION_FILE = 'organisation.json';

const path = z.string().min(1);

const OrganisationSchema = z.strictObject({
  strongroom: z.literal('organisation/v1'),
  party: PartyIdSchema,
  /** All paths count from the folder of this file. */
  identity: path,
  secrets: z.array(path),
  folders: z.array(path),
  certificates: z.array(z.strictObject({ certificate: path, key: path })),
  /** Once it exists. */
  contract: path,
});
export type Organisation = z.infer<typeof OrganisationSchema>;

/** @throws ERR_FILE_UNREADABLE, ERR_JSON_MALFORMED, ERR_CONFIG_INVALID */
export async function readOrganisation(folder: string): Promise<Organisation> {
  const file = join(folder, ORGANISATION_FILE);
  const parsed = OrganisationSchema.safeParse(await readJsonFile(file));
  if (!parsed.success) {
    const place = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new StrongroomError('ERR_CONFIG_INVALID', { path: file, place });
  }
  const at = (name: string) => join(folder, name);
  const { identity, secrets, folders, certificates, contract, ...rest } = parsed.data;
  return {
    ...rest,
    identity: at(identity),
    secrets: secrets.map(at),
    folders: folders.map(at),
    certificates: certificates.map((each) => ({
      certificate: at(each.certificate),
      key: at(each.key),
    })),
    contract: at(contract),
  };
}
