import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { TLSSocket, connect as tlsConnect } from 'node:tls';
import { codeOf } from '@strongroom/protocol/errors';
import type { KafkaConnection, KafkaTls } from '@strongroom/record-log/kafka-connection';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { LogError } from '@strongroom/record-log/log-error';
import { tlsOptionsOf } from '@strongroom/record-log/tls-options';
import { certificatesIn, lasting, lastingText, spanOf } from './certificate.ts';
import { type Finding, fail, ok, warn } from './checks.ts';
import { type TlsView, tlsOf } from './probe-url.ts';

/** What a bootstrap server shows before anybody has said who they are. */
export interface BrokerFront {
  readonly server: string;
  readonly answers: boolean;
  /** Absent without TLS. */
  readonly tls?: TlsView;
}

export async function viewFronts(
  { brokers, tls }: KafkaConnection,
  timeoutMs: number,
): Promise<BrokerFront[]> {
  return await Promise.all(brokers.map((server) => viewFront(server, tls, timeoutMs)));
}

function viewFront(
  server: string,
  tls: KafkaTls | undefined,
  timeoutMs: number,
): Promise<BrokerFront> {
  const at = server.lastIndexOf(':');
  const [host, port] = [server.slice(0, at), Number(server.slice(at + 1))];
  return new Promise((resolve) => {
    const answered = (socket: Socket) => {
      resolve({
        server,
        answers: true,
        ...(socket instanceof TLSSocket && { tls: tlsOf(socket) }),
      });
      socket.destroy();
    };
    // Whatever it presents is looked at; nothing is sent to it.
    const trust = { rejectUnauthorized: false, ...(isIP(host) === 0 && { servername: host }) };
    const socket: Socket = tls
      ? tlsConnect({ host, port, ...tlsOptionsOf(tls), ...trust }, () => answered(socket))
      : tcpConnect({ host, port }, () => answered(socket));
    const silent = () => {
      resolve({ server, answers: false });
      socket.destroy();
    };
    socket.setTimeout(timeoutMs, silent).on('error', silent);
  });
}

/** Certificates on both sides, and whether they will be in force for a while. */
export function judgeFronts(
  { tls }: Pick<KafkaConnection, 'tls'>,
  fronts: readonly BrokerFront[],
  now: number,
): Finding[] {
  const own = certificatesIn(tls?.certificateChain ?? '').map((each) => ({
    from: each.validFromDate.getTime(),
    to: each.validToDate.getTime(),
  }));
  return [
    ...fronts.flatMap((front) => frontFindings(front, now)),
    ...(own.length === 0 ? [] : [expiry("this client's", spanOf(own), now)]),
  ];
}

function frontFindings({ server, tls }: BrokerFront, now: number): Finding[] {
  if (!tls) return [];
  const trust = tls.problem
    ? fail('kafka-lets-in', `${server}: not trusted here, ${tls.problem}`)
    : ok('kafka-lets-in', `${server}: trusted, and for its name`);
  return [trust, expiry(server, tls, now)];
}

function expiry(of: string, { from, to }: Pick<TlsView, 'from' | 'to'>, now: number): Finding {
  const state = lasting(from, to, now);
  const lasts = state === 'in-force' ? ok : state === 'soon' ? warn : fail;
  return lasts('kafka-certificate', `${of}: ${lastingText(state, to, now)}`);
}

/** Why nothing could be asked, in the words that every command would have for it. */
export async function whyNot(
  connection: KafkaConnection,
  fronts: readonly BrokerFront[],
): Promise<Finding> {
  const servers = connection.brokers.join(', ');
  const silence = fail('kafka-reachable', `${servers}: no broker answers`);
  if (fronts.every(({ answers }) => !answers)) return silence;
  try {
    await (await connectKafkaLog(connection)).close();
  } catch (error) {
    if (!(error instanceof LogError) || codeOf(error) !== 'ERR_LOG_REFUSED') return silence;
    return fail('kafka-lets-in', `${servers}: ${error.facts['reason']}`);
  }
  return silence;
}
