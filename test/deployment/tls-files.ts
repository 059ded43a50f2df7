import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Folders } from './organisations.ts';

/** Certificates of a run as files, as services and the worker take them. */

/** Of a service that is reached as `localhost`. */
export async function tlsFiles(folders: Folders, name: string): Promise<string[]> {
  const { cert, key } = await folders.authority.issue('localhost');
  const folder = path.join(folders.secrets, 'tls');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files = { cert: path.join(folder, `${name}.crt`), key: path.join(folder, `${name}.key`) };
  await writeFile(files.cert, cert);
  await writeFile(files.key, key, { mode: 0o600 });
  return ['--tls-cert', files.cert, '--tls-key', files.key];
}

/** By what an owner may know the worker: certificate and key in one file. */
export async function writeWorkerCertificate(folders: Folders): Promise<void> {
  const { cert, key } = await folders.authority.issue('worker');
  await writeFile(workerCertificateFile(folders), `${cert}\n${key}\n`, { mode: 0o600 });
}

export function workerCertificateFile(folders: Folders): string {
  return path.join(folders.secrets, 'worker-certificate.pem');
}
