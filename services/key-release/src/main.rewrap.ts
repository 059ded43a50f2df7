import process from 'node:process';
import { systemClock } from '@strongroom/runtime/clock';
import { runService } from '@strongroom/runtime/shutdown';
import { createAuditLog } from './audit/audit-log.ts';
import { openMasterKey } from './master-key/master-key.ts';
import { rewrapStore } from './master-key/rewrap.ts';
import { readRewrapSettings } from './master-key/rewrap-settings.ts';
import { openDatabase } from './storage/database.ts';

/** Rotates the master key of a key release service that does not run. */
await runService('key-release rewrap', async (context) => {
  const settings = readRewrapSettings(process.argv.slice(2));
  if (!settings) return context.finish();
  const { owner, masterKeyFile, masterKey, newMasterKeyFile, newMasterKey } = settings;
  const before = await openMasterKey({ masterKeyFile, masterKey });
  const after = await openMasterKey({ masterKeyFile: newMasterKeyFile, masterKey: newMasterKey });
  const database = openDatabase(settings.data);
  context.onShutdown(() => database.close());
  const auditLog = createAuditLog(database, systemClock);
  auditLog.verify();
  const versions = await rewrapStore({ database, owner, auditLog, before, after });
  process.stdout.write(`${JSON.stringify({ versions, masterKey: after.name })}\n`);
  context.finish();
});
