import { stat } from 'node:fs/promises';
import process from 'node:process';
import { codeOf } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import { parseIdentity } from '@strongroom/sealing/identity';
import { belongsTo, certificatesIn, lasting, lastingText, spanOf } from './certificate.ts';
import { type Finding, fail, ok, warn } from './checks.ts';

const OTHERS = 0o077;

export interface FilesQuestion {
  readonly identities: readonly string[];
  /** Tokens, master keys, private keys. */
  readonly secrets: readonly string[];
  /** Folders that hold them. */
  readonly folders: readonly string[];
  readonly certificates: readonly CertificateFiles[];
  readonly now: number;
}

interface CertificateFiles {
  readonly certificate: string;
  readonly key?: string;
}

export async function checkFiles(question: FilesQuestion): Promise<Finding[]> {
  const { identities, secrets, folders, certificates, now } = question;
  const keys = certificates.flatMap(({ key = [] }) => key);
  const secret = [...folders, ...identities, ...secrets, ...keys];
  return [
    ...(await Promise.all(secret.map(secretMode))),
    ...(await Promise.all(identities.map(identityReadable))),
    ...(await Promise.all(secrets.map(secretReadable))),
    ...(await Promise.all(certificates.map((each) => certificateFile(each, now)))),
  ];
}

async function secretMode(path: string): Promise<Finding> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return fail('secret-mode', `${path}: not there, or not readable`);
  const mode = (found.mode & 0o777).toString(8).padStart(3, '0');
  if ((found.mode & OTHERS) !== 0) {
    return fail('secret-mode', `${path}: mode ${mode}, others may read or change it`);
  }
  const user = process.getuid?.();
  if (user !== undefined && found.uid !== user) {
    return warn('secret-mode', `${path}: mode ${mode}, of another user (${found.uid})`);
  }
  return ok('secret-mode', `${path}: mode ${mode}`);
}

async function identityReadable(path: string): Promise<Finding> {
  try {
    const { party, reader } = parseIdentity(await readTextFile(path));
    const keys = reader === undefined ? 'signing key' : 'signing key and reading key';
    return ok('secret-readable', `${path}: ${keys} of ${party}`);
  } catch (error) {
    return fail('secret-readable', `${path}: no identity file (${codeOf(error) ?? 'unreadable'})`);
  }
}

/** What a service would refuse to start with; a token is any word. */
async function secretReadable(path: string): Promise<Finding> {
  const text = await readTextFile(path).catch(() => undefined);
  if (text === undefined) return fail('secret-readable', `${path}: cannot be read`);
  if (text.trim() === '') return fail('secret-readable', `${path}: empty`);
  const isMasterKey = /master-key$/.test(path);
  if (isMasterKey && !/^[\w-]{43}$/.test(text.trim())) {
    return fail('secret-readable', `${path}: not base64url of 32 bytes`);
  }
  return ok('secret-readable', `${path}: ${isMasterKey ? 'a master key' : 'not empty'}`);
}

async function certificateFile(
  { certificate, key }: CertificateFiles,
  now: number,
): Promise<Finding> {
  const code = 'certificate-file';
  const pem = await readTextFile(certificate).catch(() => undefined);
  if (pem === undefined) return fail(code, `${certificate}: not there, or not readable`);
  const chain = certificatesIn(pem);
  const [first] = chain;
  if (!first) return fail(code, `${certificate}: no certificate in it`);
  const keyPem = key === undefined ? undefined : await readTextFile(key).catch(() => '');
  if (keyPem !== undefined && !belongsTo(first, keyPem)) {
    return fail(code, `${certificate}: ${key} is not its private key`);
  }
  const { from, to } = spanOf(
    chain.map((each) => ({ from: each.validFromDate.getTime(), to: each.validToDate.getTime() })),
  );
  const state = lasting(from, to, now);
  const names = first.subjectAltName ?? first.subject;
  const says = `${certificate}: ${names}, ${lastingText(state, to, now)}`;
  if (state === 'in-force') return ok(code, says);
  return (state === 'soon' ? warn : fail)(code, says);
}
