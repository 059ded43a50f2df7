import type { WorkerStatus } from '@strongroom/protocol/worker-status';
import { createHttpServer, type HttpServerOptions } from '@strongroom/runtime/http';
import type { EvidenceDesk } from './evidence-desk.ts';
import { addEvidenceRoute } from './evidence-route.ts';

export interface WorkerServerOptions
  extends Pick<HttpServerOptions, 'logger' | 'metrics' | 'ready'> {
  readonly evidence: EvidenceDesk;
  readonly status: () => WorkerStatus;
  /** What /healthz says about a simulation. */
  readonly warning: string | undefined;
}

/** What a worker answers over HTTP: whether it runs, what it waits for, and evidence. */
export function createWorkerServer({
  evidence,
  status,
  warning,
  ...more
}: WorkerServerOptions): ReturnType<typeof createHttpServer> {
  const app = createHttpServer({
    ...more,
    service: 'enclave-worker',
    ...(warning === undefined ? {} : { health: { warning } }),
  });
  addEvidenceRoute(app, evidence);
  app.get('/status', async () => status());
  return app;
}
