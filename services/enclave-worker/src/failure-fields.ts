import { codeOf } from '@strongroom/protocol/errors';
import { LogError } from '@strongroom/record-log/log-error';
import type { LogFields } from '@strongroom/runtime/logger';

/** What a log line says of a failure: its code, and which right to the log was missing. */
export function failureFields(error: unknown): LogFields {
  const code = codeOf(error) ?? 'ERR_INTERNAL';
  if (!(error instanceof LogError) || error.code !== 'ERR_LOG_REFUSED') return { code };
  const { reason, right, topic, transactionalId, group } = error.facts;
  const name = transactionalId ?? group;
  return {
    code,
    ...(reason === undefined ? {} : { reason: `${reason}` }),
    ...(right === undefined ? {} : { right: `${right}` }),
    ...(topic === undefined ? {} : { topic: `${topic}` }),
    ...(name === undefined ? {} : { name: `${name}` }),
  };
}
