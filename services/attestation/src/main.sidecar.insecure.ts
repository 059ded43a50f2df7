import process from 'node:process';
import { loadSimulatedPlatform, SIMULATED_WARNING } from '@strongroom/attestation/insecure';
import { readTextFile } from '@strongroom/runtime/files';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { runService } from '@strongroom/runtime/shutdown';
import { createSidecarServer } from './sidecar.ts';
import { releaseKey } from './sidecar-release.ts';
import { readSidecarSettings } from './sidecar-settings.ts';
import { requestMaaToken } from './sidecar-token.ts';

/** The sidecar's routes on a simulated platform: its reports prove nothing about any machine. */
await runService('sidecar (simulated)', async (context) => {
  const settings = readSidecarSettings(process.argv.slice(2));
  if (!settings) return context.finish();
  process.stderr.write(`WARNING: ${SIMULATED_WARNING}\n`);
  const simulated = await loadSimulatedPlatform(settings.platformDir);
  const logger = createLogger('sidecar', { level: settings.logLevel });
  const { hostData: contract, caFile } = settings;
  const release =
    caFile === undefined ? { contract } : { contract, ca: await readTextFile(caFile) };
  const app = createSidecarServer({
    // No worker was launched: the measurement is that of these words.
    platform: simulated.launch({
      image: [new TextEncoder().encode('strongroom simulated sidecar')],
      hostData: Buffer.from(settings.hostData, 'hex'),
    }),
    logger,
    metrics: createMetrics('sidecar'),
    ready: () => true,
    requestToken: requestMaaToken,
    releaseKey: (demand, attest) => releaseKey(demand, attest, release),
    warning: SIMULATED_WARNING,
  });
  context.onShutdown(() => app.close());
  logger.info('listening', await listen(app, settings.host, settings.port));
});
