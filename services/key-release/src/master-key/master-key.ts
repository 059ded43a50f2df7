import { decodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { unwrapAtRest, wrapAtRest } from '@strongroom/sealing/wrap';
import { z } from 'zod';
import { KeyVaultKeySchema, openKeyVaultKey } from './key-vault-key.ts';
import { openPkcs11Key, Pkcs11KeySchema } from './pkcs11-key.ts';
import { readSecretFile } from './secret-file.ts';

/**
 * The key that an owner keeps outside of the database: it wraps the store key, which wraps all
 * others. In a file it is in this process's memory; in a token or a cloud vault it is not, and is
 * asked once at each start.
 */
export interface MasterKey {
  /** Names it in the audit log; nothing of it can be computed from this. */
  readonly name: string;
  wrap(storeKey: Uint8Array): Promise<Uint8Array>;
  /** @throws ERR_STORE_SEALED for another master key, ERR_MASTER_KEY_UNAVAILABLE */
  unwrap(wrapped: Uint8Array): Promise<Uint8Array>;
}

/** Where it is: exactly one of the two. */
export interface MasterKeySource {
  /** A file with the key itself, also `/dev/fd/N`. */
  readonly masterKeyFile?: string | undefined;
  /** A file of JSON that names a token's or a vault's key. */
  readonly masterKey?: string | undefined;
}

const SourceSchema = z.union([
  z.strictObject({ pkcs11: Pkcs11KeySchema }),
  z.strictObject({ keyVault: KeyVaultKeySchema }),
]);

/** @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID, ERR_MASTER_KEY_UNAVAILABLE */
export async function openMasterKey(source: MasterKeySource): Promise<MasterKey> {
  const { masterKeyFile, masterKey = '' } = source;
  if (masterKeyFile !== undefined) return fileKey(await readMasterKey(masterKeyFile));
  const parsed = SourceSchema.safeParse(parseJson(await readTextFile(masterKey)));
  if (!parsed.success) {
    const expected = parsed.error.issues[0]?.message ?? 'pkcs11 or keyVault';
    throw invalid('master-key', expected);
  }
  return 'pkcs11' in parsed.data
    ? openPkcs11Key(parsed.data.pkcs11)
    : openKeyVaultKey(parsed.data.keyVault);
}

const STORE_KEY_CONTEXT = 'strongroom/store-key/v1';

function fileKey(bytes: Uint8Array): MasterKey {
  return {
    name: 'file',
    wrap: async (storeKey) => wrapAtRest(bytes, storeKey, STORE_KEY_CONTEXT),
    unwrap: async (wrapped) => unwrapAtRest(bytes, wrapped, STORE_KEY_CONTEXT),
  };
}

const MASTER_KEY_BYTES = 32;

/** @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID */
export async function readMasterKey(path: string): Promise<Uint8Array> {
  const masterKey = decodeBase64url(await readSecretFile(path, 'master-key-file'));
  if (masterKey?.length !== MASTER_KEY_BYTES) {
    throw invalid('master-key-file', `base64url of ${MASTER_KEY_BYTES} bytes`);
  }
  return masterKey;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('master-key', 'valid JSON');
  }
}

function invalid(setting: string, expected: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { setting, expected });
}
