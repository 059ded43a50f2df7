import { z } from 'zod';
import type { Route } from './routes.ts';

const ServiceStateSchema = z.looseObject({ service: z.string(), status: z.string() });

/** What every service answers. */
export const COMMON_ROUTES: readonly Route[] = [
  {
    ...{ method: 'GET', path: '/healthz' },
    does: 'Says that the process lives.',
    answer: ServiceStateSchema,
  },
  {
    ...{ method: 'GET', path: '/readyz' },
    does: 'Says whether the service can do its work now.',
    answer: ServiceStateSchema,
    orStatus: 503,
  },
  {
    ...{ method: 'GET', path: '/metrics' },
    does: "Gives the service's metrics in the Prometheus text format.",
    answer: z.string(),
    answerType: 'text/plain',
  },
];
