import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { AppraisalRefused } from './appraisal.ts';

/**
 * Errors in Azure's shape. What is wrong with evidence or a policy is the sender's fault: 400.
 * @param onRefusal is told the code of every refusal
 */
export function addErrorAnswers(app: FastifyInstance, onRefusal: (code: ErrorCode) => void): void {
  app.setErrorHandler((error, _request, reply) => {
    const code = codeOf(error);
    if (code === undefined) throw error;
    onRefusal(code);
    return refuse(reply, code, error);
  });
}

const STATUS: { readonly [code in ErrorCode]?: number } = {
  ERR_UNAUTHENTICATED: 401,
  ERR_FILE_UNWRITABLE: 500,
  ERR_DISK_FULL: 503,
};

function refuse(reply: FastifyReply, code: ErrorCode, error: unknown): FastifyReply {
  const message = error instanceof Error ? error.message : '';
  const check = error instanceof StrongroomError ? error.facts['check'] : undefined;
  const innererror = typeof check === 'string' ? { innererror: { code: check } } : {};
  const details = error instanceof AppraisalRefused ? { details: error.mismatches } : {};
  if (code === 'ERR_UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer');
  return reply
    .code(STATUS[code] ?? 400)
    .send({ error: { code, message, ...innererror, ...details } });
}
