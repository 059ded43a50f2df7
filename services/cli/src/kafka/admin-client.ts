import { isIP } from 'node:net';
import { Admin, GenericError, MultipleErrors, type SASLOptions } from '@platformatic/kafka';
import type { KafkaConnection, KafkaSasl } from '@strongroom/record-log/kafka-connection';
import { isMissingRight, LogError } from '@strongroom/record-log/log-error';
import { tlsOptionsOf } from '@strongroom/record-log/tls-options';

/**
 * @platformatic/kafka, for what the log's own client does not do: it asks for no ACLs, and would
 * reset every setting of a topic that it is not told of. No record is read or written by it.
 */
export function openAdmin(
  { brokers, clientId, tls, sasl }: KafkaConnection,
  timeoutMs: number,
): Admin {
  return new Admin({
    clientId,
    bootstrapBrokers: [...brokers],
    ...(tls && { tls: tlsOptionsOf(tls), tlsServerName: brokers.every(hasName) }),
    ...(sasl && { sasl: saslOptionsOf(sasl) }),
    connectTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    retries: 1,
    retryDelay: RETRY_MS,
    autocreateTopics: false,
  });
}

const RETRY_MS = 200;

function saslOptionsOf(sasl: KafkaSasl): SASLOptions {
  const { mechanism } = sasl;
  if (mechanism === 'OAUTHBEARER') return { mechanism, token: () => sasl.tokens.next() };
  return { mechanism, username: sasl.username, password: sasl.password.reveal() };
}

/** RFC 6066 section 3: an address is no name to be told. */
function hasName(server: string): boolean {
  return isIP(server.slice(0, server.lastIndexOf(':'))) === 0;
}

/** Kafka's own name of an error, wherever the client has put it. */
export function kafkaCodeOf(error: unknown): string | undefined {
  if (error instanceof MultipleErrors) return firstOf(error.errors);
  if (!(error instanceof GenericError)) return undefined;
  const { apiId } = error;
  return typeof apiId === 'string' ? apiId : firstOf([error.cause]);
}

function firstOf(errors: readonly unknown[]): string | undefined {
  for (const each of errors) {
    const code = kafkaCodeOf(each);
    if (code !== undefined) return code;
  }
  return undefined;
}

/** What an administrator needs, beside the rights of the roles. */
export interface AdminRight {
  readonly right: 'Alter' | 'AlterConfigs' | 'Create' | 'Describe' | 'DescribeConfigs';
  readonly topic?: string;
  readonly cluster?: string;
}

const ADMIN_MS_MAX = 15_000;

/** @throws LogError: ERR_LOG_REFUSED, ERR_LOG_UNREACHABLE or ERR_LOG_FAILED */
export async function asAdmin<Result>(
  connection: KafkaConnection,
  act: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  const admin = openAdmin(connection, ADMIN_MS_MAX);
  try {
    return await act(admin);
  } catch (error) {
    throw toLogError(error, { brokers: connection.brokers.join(',') });
  } finally {
    await admin.close();
  }
}

/** Does what needs a right, and where that is refused says which one it is. */
export async function byAdminRight<Result>(
  right: AdminRight,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw toLogError(error, { ...right });
  }
}

/** Neither a right nor an authorizer would mend these by waiting. */
const REFUSALS: ReadonlySet<string> = new Set(['SECURITY_DISABLED', 'SASL_AUTHENTICATION_FAILED']);

function toLogError(error: unknown, facts: Readonly<Record<string, string>>): LogError {
  if (error instanceof LogError) return error;
  const reason = kafkaCodeOf(error);
  if (isAuthentication(error)) {
    return new LogError('ERR_LOG_REFUSED', { reason: 'SASL_AUTHENTICATION_FAILED' });
  }
  if (reason === undefined) return new LogError('ERR_LOG_UNREACHABLE', facts);
  if (isMissingRight(reason)) return new LogError('ERR_LOG_REFUSED', { reason, ...facts });
  if (REFUSALS.has(reason)) return new LogError('ERR_LOG_REFUSED', { reason });
  const { topic } = facts;
  return new LogError('ERR_LOG_FAILED', { reason, ...(topic === undefined ? {} : { topic }) });
}

function isAuthentication(error: unknown): boolean {
  if (error instanceof MultipleErrors) return error.errors.some(isAuthentication);
  if (!(error instanceof GenericError)) return false;
  return error.code === 'PLT_KFK_AUTHENTICATION' || isAuthentication(error.cause);
}
