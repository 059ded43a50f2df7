import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import type { FileOfParty } from './settings.ts';

/** By what an owner's services know this worker as a caller; what it runs is another question. */
export interface Credential {
  /** A bearer token (RFC 6750). */
  readonly token?: string;
  /** PEM of a client certificate (RFC 8446 §4.4.2), with its chain and its private key. */
  readonly certificate?: string;
}

export type CredentialFor = (owner: string) => Credential;

interface CredentialFiles {
  readonly accessTokenFiles: readonly FileOfParty[];
  readonly clientCertificateFiles: readonly FileOfParty[];
}

/**
 * Tokens of an identity provider end within the hour, and certificates of a mesh within the day:
 * whoever renews them writes the file anew. Each request takes what is there, or the last one that
 * was good while the file is being replaced.
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID for what is no certificate with its key
 */
export async function readCredentials(files: CredentialFiles): Promise<CredentialFor> {
  const tokens = await renewedFiles(files.accessTokenFiles, firstLine);
  const certificates = await renewedFiles(files.clientCertificateFiles, pairIn);
  return (owner) => {
    const token = tokens(owner);
    const certificate = certificates(owner);
    return {
      ...(token === undefined ? {} : { token }),
      ...(certificate === undefined ? {} : { certificate }),
    };
  };
}

/** What TLS presents of it. */
export function tlsOf({ certificate }: Credential): { cert?: string; key?: string } {
  return certificate === undefined ? {} : { cert: certificate, key: certificate };
}

/** An owner's own file, or the one for all. */
async function renewedFiles(
  files: readonly FileOfParty[],
  read: (text: string, path: string) => string,
): Promise<(owner: string) => string | undefined> {
  const known = new Map<string | undefined, { path: string; good: string }>();
  for (const { party, path } of files) {
    known.set(party, { path, good: read(await readTextFile(path), path) });
  }
  return (owner) => {
    const file = known.get(owner) ?? known.get(undefined);
    if (!file) return undefined;
    try {
      file.good = read(readFileSync(file.path, 'utf8'), file.path) || file.good;
    } catch {
      // The service refuses what is too old, and says so.
    }
    return file.good;
  };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]?.trim() ?? '';
}

/** A certificate that comes without its key, or with another one, would be presented as none. */
function pairIn(pem: string, path: string): string {
  let belongs = false;
  try {
    belongs = new X509Certificate(pem).checkPrivateKey(createPrivateKey(pem));
  } catch {
    // Neither of the two parsers says more than that it found none.
  }
  if (belongs) return pem;
  const expected = 'a certificate and its private key as PEM';
  throw new StrongroomError('ERR_CONFIG_INVALID', { path, expected });
}
