import { spawn } from 'node:child_process';
import { constants, createPublicKey, type KeyObject, publicEncrypt } from 'node:crypto';
import process from 'node:process';
import { StrongroomError } from '@strongroom/protocol/errors';
import { RSA_BITS_MIN } from '@strongroom/protocol/limits';
import { z } from 'zod';
import type { MasterKey } from './master-key.ts';
import { readSecretFile } from './secret-file.ts';

/**
 * A master key in a PKCS#11 token: an RSA pair whose private half stays there. OpenSC's
 * `pkcs11-tool` speaks to the token in a process of its own, so that a vendor's library is never
 * loaded beside the owner's keys (ADR 0006).
 */
export const Pkcs11KeySchema = z.strictObject({
  /** The token's library, such as /usr/lib/softhsm/libsofthsm2.so */
  module: z.string().min(1),
  token: z.string().min(1),
  /** CKA_ID of the private and the public key, in hex: pkcs11-tool decrypts by no other name. */
  keyId: z.string().regex(/^(?:[0-9a-f]{2}){1,32}$/),
  pinFile: z.string().min(1),
  /** SoftHSM 2.6 knows SHA-1 only; for OAEP that is no weakness (RFC 8017, B.1). */
  oaepHash: z.enum(['sha1', 'sha256']).default('sha256'),
});
type Pkcs11Key = z.infer<typeof Pkcs11KeySchema>;

const TOOL = 'pkcs11-tool';
const TOOL_MS_MAX = 30_000;
/** pkcs11-tool reads the PIN from the variable that `--pin env:` names: arguments can be listed. */
const PIN_VARIABLE = 'STRONGROOM_PKCS11_PIN';
const OAEP = {
  sha1: ['--hash-algorithm', 'SHA-1', '--mgf', 'MGF1-SHA1'],
  sha256: ['--hash-algorithm', 'SHA256', '--mgf', 'MGF1-SHA256'],
} as const;

/** @throws ERR_MASTER_KEY_UNAVAILABLE, ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID */
export async function openPkcs11Key(config: Pkcs11Key): Promise<MasterKey> {
  const { oaepHash, token, keyId } = config;
  const pin = await readSecretFile(config.pinFile, 'pinFile');
  const publicKey = readPublicKey(await runTool(config, PUBLIC_KEY, pin));
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash };
  const decrypt = ['--decrypt', '--mechanism', 'RSA-PKCS-OAEP', ...OAEP[oaepHash]];
  return {
    name: `pkcs11:${token}/${keyId}`,
    wrap: async (storeKey) => publicEncrypt({ key: publicKey, ...padding }, storeKey),
    unwrap: async (wrapped) => runTool(config, ['--login', ...decrypt], pin, wrapped),
  };
}

const PUBLIC_KEY = ['--read-object', '--type', 'pubkey'] as const;

function readPublicKey(der: Buffer): KeyObject {
  try {
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' });
    const { modulusLength = 0 } = publicKey.asymmetricKeyDetails ?? {};
    if (publicKey.asymmetricKeyType === 'rsa' && modulusLength >= RSA_BITS_MIN) return publicKey;
  } catch {
    throw unavailable('public-key');
  }
  const expected = `an RSA key of ${RSA_BITS_MIN} bits or more`;
  throw new StrongroomError('ERR_CONFIG_INVALID', { setting: 'master-key', expected });
}

/**
 * Without names of files the tool reads stdin and writes stdout: Node's pipes are sockets, which
 * cannot be opened by name.
 * @returns what the tool wrote; its words on stderr may quote the configuration
 * and are dropped
 */
async function runTool(
  { module, token, keyId }: Pkcs11Key,
  action: readonly string[],
  pin: string,
  input: Uint8Array = new Uint8Array(0),
): Promise<Buffer> {
  const args = ['--module', module, '--token-label', token, '--id', keyId, ...action];
  const child = spawn(TOOL, [...args, '--pin', `env:${PIN_VARIABLE}`], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, [PIN_VARIABLE]: pin },
    timeout: TOOL_MS_MAX,
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('error', () => reject(unavailable(TOOL)));
  child.on('close', resolve);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A tool that ends early closes its input; its exit code tells.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await promise;
  const output = Buffer.concat(chunks);
  if (code !== 0 || output.length === 0) throw unavailable('token');
  return output;
}

function unavailable(check: string): StrongroomError {
  return new StrongroomError('ERR_MASTER_KEY_UNAVAILABLE', { check });
}
