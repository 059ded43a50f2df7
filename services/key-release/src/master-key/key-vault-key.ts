import { CryptographyClient } from '@azure/keyvault-keys';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { httpsAgent } from '@strongroom/runtime/proxy';
import { z } from 'zod';
import type { MasterKey } from './master-key.ts';
import { readSecretFile } from './secret-file.ts';

/**
 * A master key in Azure Key Vault or a Managed HSM: an RSA key, or with A256KW a symmetric one,
 * with the operations wrapKey and unwrapKey. The vault's own log then shows each start.
 */
export const KeyVaultKeySchema = z.strictObject({
  /** With its version: https://{vault}/keys/{name}/{version} */
  key: z.url({ protocol: /^https$/ }).regex(/\/keys\/[\w-]+\/[0-9a-f]{32}$/),
  /** The access token; read anew for each request, so that whoever renews it may do so. */
  tokenFile: z.string().min(1),
  algorithm: z.enum(['RSA-OAEP-256', 'A256KW']).default('RSA-OAEP-256'),
  caFile: z.exactOptional(z.string().min(1)),
});
type KeyVaultKey = z.infer<typeof KeyVaultKeySchema>;

/** @throws ERR_FILE_UNREADABLE */
export async function openKeyVaultKey(config: KeyVaultKey): Promise<MasterKey> {
  const { key: url, algorithm, tokenFile, caFile } = config;
  const getToken = async () => ({
    token: await readSecretFile(tokenFile, 'tokenFile'),
    expiresOnTimestamp: 0,
  });
  const tls = caFile === undefined ? {} : { ca: await readTextFile(caFile) };
  const client = new CryptographyClient(
    url,
    { getToken },
    {
      // The configuration names the vault and its authority.
      disableChallengeResourceVerification: true,
      // Azure's own way through a proxy forgets which authorities to trust.
      agent: httpsAgent({ keepAlive: true, ...tls }),
    },
  );
  return {
    name: `keyVault:${new URL(url).host}${new URL(url).pathname}`,
    wrap: async (storeKey) => (await reached(client.wrapKey(algorithm, storeKey))).result,
    unwrap: async (wrapped) => (await reached(client.unwrapKey(algorithm, wrapped))).result,
  };
}

/** The vault's words may hold a token's claims; its status tells enough. */
async function reached<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
    throw new StrongroomError('ERR_MASTER_KEY_UNAVAILABLE', {
      check: 'vault',
      ...(typeof status === 'number' ? { status } : {}),
    });
  }
}
