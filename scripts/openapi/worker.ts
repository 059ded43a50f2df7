import {
  EvidenceAnswerSchema,
  EvidenceChallengeSchema,
} from '@strongroom/protocol/evidence-answer';
import { WorkerStatusSchema } from '@strongroom/protocol/worker-status';
import { z } from 'zod';
import { COMMON_ROUTES } from './every-service.ts';
import type { ServiceDescription } from './routes.ts';

export const WORKER: ServiceDescription = {
  title: 'Strongroom enclave worker',
  text: 'What a running worker says over HTTP. Nothing but evidence proves itself.',
  error: z.strictObject({
    error: z.looseObject({
      code: z.string().describe('The stable code: docs/errors.md.'),
      message: z.string(),
    }),
  }),
  routes: [
    {
      ...{ method: 'POST', path: '/evidence' },
      does: 'A challenge in, fresh evidence out. For everybody: it tells no secret.',
      ...{ body: EvidenceChallengeSchema, answer: EvidenceAnswerSchema },
    },
    {
      ...{ method: 'GET', path: '/status' },
      does: 'Says what the worker does and what it waits for.',
      answer: WorkerStatusSchema,
    },
    ...COMMON_ROUTES,
  ],
};
