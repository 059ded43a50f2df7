import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { parseSecurityContext, type SecurityContext } from '../azure/security-context.ts';

/** Names of the files, and of the variables in which older platforms gave the same texts. */
const PARTS = {
  securityPolicy: ['security-policy-base64', 'UVM_SECURITY_POLICY'],
  hostAmdCertificate: ['host-amd-cert-base64', 'UVM_HOST_AMD_CERTIFICATE'],
  referenceInfo: ['reference-info-base64', 'UVM_REFERENCE_INFO'],
} as const;

/** Names the folder; Azure sets it in every container of a confidential group. */
const FOLDER_VARIABLE = 'UVM_SECURITY_CONTEXT_DIR';

/**
 * Reads what Azure put beside a confidential container.
 * @param folder instead of the one that the environment names
 * @returns null where this is no such container
 * @throws ERR_FILE_UNREADABLE for a folder without a policy, ERR_EVIDENCE_MALFORMED
 */
export async function readSecurityContext(
  environment: Readonly<Record<string, string | undefined>>,
  folder = environment[FOLDER_VARIABLE],
): Promise<SecurityContext | null> {
  const read = async ([file, variable]: readonly [string, string]) =>
    folder === undefined
      ? environment[variable]
      : readFile(join(folder, file), 'utf8').catch(() => undefined);
  const securityPolicy = await read(PARTS.securityPolicy);
  if (securityPolicy === undefined) {
    if (folder === undefined) return null;
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path: folder });
  }
  return parseSecurityContext({
    securityPolicy,
    hostAmdCertificate: await read(PARTS.hostAmdCertificate),
    referenceInfo: await read(PARTS.referenceInfo),
  });
}
