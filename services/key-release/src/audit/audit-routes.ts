import { codeOf } from '@strongroom/protocol/errors';
import type { Logger } from '@strongroom/runtime/logger';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Guard } from '../access/guard.ts';
import { readRequest } from '../keys/key-requests.ts';
import type { AuditHeads } from './audit-heads.ts';
import type { AuditLog } from './audit-log.ts';

export interface AuditService {
  readonly auditLog: AuditLog;
  readonly auditHeads: AuditHeads;
}

const PAGE_MAX = 1_000;

const countSchema = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);
const limitSchema = countSchema.pipe(z.int().min(1).max(PAGE_MAX)).default(PAGE_MAX);
export const EntriesQuerySchema = z.strictObject({
  from: countSchema.default(0),
  limit: limitSchema,
});
export const HeadsQuerySchema = z.strictObject({
  above: countSchema.default(0),
  limit: limitSchema,
});
export const InclusionQuerySchema = z.strictObject({ index: countSchema });
export const ConsistencyQuerySchema = z.strictObject({ first: countSchema });

/** Reads the audit log and its proofs; nothing here changes it. */
export function addAuditRoutes(
  scope: FastifyInstance,
  { auditLog, auditHeads }: AuditService,
  guard: Guard,
): void {
  scope.get('/audit/head', guard, async () => {
    const { size, jws } = await auditHeads.newest();
    return { size, head: jws };
  });
  scope.get('/audit/entries', guard, async (request) => {
    const { from, limit } = readRequest(EntriesQuerySchema, request.query);
    return { entries: auditLog.read(from, limit) };
  });
  scope.get('/audit/heads', guard, async (request) => {
    const { above, limit } = readRequest(HeadsQuerySchema, request.query);
    return { heads: auditHeads.read(above, limit) };
  });
  scope.get('/audit/proof/inclusion', guard, async (request) =>
    auditHeads.receipt(readRequest(InclusionQuerySchema, request.query).index),
  );
  scope.get('/audit/proof/consistency', guard, async (request) =>
    auditHeads.consistency(readRequest(ConsistencyQuerySchema, request.query).first),
  );
}

/**
 * Whatever a request left in the log is under a signed head soon after its answer, so that a
 * verifier can name the very entry that was tampered with.
 */
export function signHeadsAfterAnswers(
  scope: FastifyInstance,
  { auditHeads }: AuditService,
  logger: Logger,
): void {
  scope.addHook('onResponse', async () => {
    await auditHeads.newest().catch((error: unknown) => {
      logger.error('head-not-signed', { code: codeOf(error) ?? 'ERR_INTERNAL' });
    });
  });
}
