import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '@strongroom/record-log/free-port';
import { httpsGetJson } from './https-json.ts';
import { adminTokenFile, authoritiesFile, type Folders, platformFolder } from './organisations.ts';
import type { PlannedLease } from './plan.ts';
import type { Processes } from './processes.ts';
import { tlsFiles, workerCertificateFile } from './tls-files.ts';

const COMMAND = 'services/cli/src/main.ts';

/**
 * `strongroom ledger start`: what an owner runs whose keys are in Azure Key Vault. No token opens
 * it to the worker, only the worker's certificate.
 */
export async function startLedgerBeside(
  processes: Processes,
  folders: Folders,
  owner: string,
): Promise<PlannedLease> {
  const url = `https://localhost:${await freePort()}`;
  const name = `ledger-${owner}`;
  const masterKey = path.join(folders.secrets, `${name}.master-key`);
  await writeFile(masterKey, randomBytes(32).toString('base64url'), { mode: 0o600 });
  const args = [
    ...['ledger', 'start', '--simulated', '--owner', owner, '--port', new URL(url).port],
    ...['--data', path.join(folders.run, name), '--roots', platformFolder(folders)],
    ...['--authorities', authoritiesFile(folders), '--master-key-file', masterKey],
    ...['--access', await writeAccess(folders, name)],
    ...['--admin-token-file', adminTokenFile(folders, owner)],
    ...(await tlsFiles(folders, name)),
  ];
  const ca = folders.authority.caPem;
  await processes.startService(name, COMMAND, args, { url, ca });
  const known = await httpsGetJson(`${url}/.well-known/strongroom`, ca);
  return { url, statementKey: known['releaseKey'] };
}

async function writeAccess(folders: Folders, name: string): Promise<string> {
  const { publicKey } = new X509Certificate(await readFile(workerCertificateFile(folders)));
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const spkiSha256 = createHash('sha256').update(spki).digest('hex');
  const worker = { name: 'worker', rights: ['release'], certificate: { spkiSha256 } };
  const file = path.join(folders.run, `${name}.access.json`);
  await writeFile(file, JSON.stringify({ callers: [worker] }));
  return file;
}
