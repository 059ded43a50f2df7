import { systemClock } from '@strongroom/runtime/clock';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { EvidenceDesk } from '../src/evidence-desk.ts';
import type { WorkerOptions } from '../src/life.ts';
import { Tally } from '../src/tally.ts';
import { startVault } from '../src/vault-process.ts';
import type { Computation } from './owners.ts';
import type { TestServices } from './services.ts';

export const logger = createLogger('test', { level: process.env['TEST_LOG'] ?? 'silent' });

/** A real worker on the test platform, with a vault of its own process. */
export function workerOptions(
  { signed }: Computation,
  { ca }: TestServices,
  more: Pick<WorkerOptions, 'connectLog'> & Partial<WorkerOptions>,
): WorkerOptions {
  const metrics = createMetrics('worker');
  return {
    signedContract: signed,
    namespace: '',
    platformFor: async (contractId) => {
      const { platform } = await sharedTestPlatform();
      const hostData = Buffer.from(contractId, 'hex');
      return platform.launch({ image: [new Uint8Array(1)], hostData });
    },
    authorities: [],
    credentialFor: () => ({ token: 'token' }),
    ca,
    memoryMb: 128,
    untilComplete: true,
    startVault: () => startVault({ logger, deadlineMs: 20_000 }),
    tally: new Tally(metrics),
    evidence: new EvidenceDesk(systemClock, metrics),
    clock: systemClock,
    logger,
    signal: new AbortController().signal,
    onReady: () => undefined,
    ...more,
  };
}
