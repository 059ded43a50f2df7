import process from 'node:process';
import {
  openRevocation,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import type { ErrorCode } from '@strongroom/protocol/errors';
import type { AggregateContent, AggregateSeal } from '@strongroom/protocol/sealed-aggregate';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { createLogger } from '@strongroom/runtime/logger';
import { openTracing } from '@strongroom/runtime/tracing';
import { parseIdentity } from '@strongroom/sealing/identity';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Table } from 'apache-arrow';
import type { VerifiedResult } from './open-aggregate.ts';
import { proofFacts } from './proof-text.ts';
import { queriesOf, type ReadAggregatesOptions, readAggregates } from './read-aggregates.ts';
import type { Cell, ColumnKind } from './result-columns.ts';

/** Whose results are read, and how they are proven. */
export interface ReadOptions {
  /** The signed contract: the path of its file, or what that file holds. */
  readonly contract: string | object;
  /** Path of the identity file with the reading key. */
  readonly identity: string;
  /** Kafka bootstrap servers: `HOST:PORT`, several in a list or with commas between them. */
  readonly brokers?: string | readonly string[];
  /** Path of a file of settings under Kafka's own names, which may name them too. */
  readonly kafkaConfig?: string;
  /** Prefix of the topics. */
  readonly namespace?: string;
  /** Only this query. */
  readonly query?: string;
  /** Wait for more instead of ending where the log ends now; default: false. */
  readonly follow?: boolean;
  /** Ends the waiting; without `follow`, reading throws its reason, since results are missing. */
  readonly signal?: AbortSignal;
  /** Revocation lists of AMD; default: none are looked at. */
  readonly revocation?: RevocationOptions;
  /** Whose platform evidence has to be of; default: AMD's. */
  readonly roots?: PlatformRoots;
}

/** The members of the command's `--crl` and the options that go with it. */
export type RevocationOptions = Readonly<RevocationSettings>;

/** Roots of a platform: AMD's, or simulated ones of `@strongroom/analyst/simulated`. */
export type PlatformRoots = RootSet;

/** What stands behind a result, in facts for a program: token, code, contract, inputs, receipts. */
export type ResultProof = ReturnType<typeof proofFacts>;

/**
 * A value, exact: integers of 64 bits as `bigint`, decimals and times as text (ISO 8601, UTC), all
 * others as JavaScript has them.
 */
export type ResultRow = Readonly<Record<string, Cell>>;

/** A result whose whole proof was verified before it was opened. */
export interface Result {
  readonly kind: 'result';
  readonly query: string;
  /** Event time in milliseconds since 1970, `end` excluded; null for all of the data. */
  readonly window: { readonly start: number; readonly end: number } | null;
  readonly epoch: number;
  /** Counts the results of the query, without a gap. */
  readonly emission: number;
  /** Groups that the contract's rules do not let out. */
  readonly suppressedGroups: number;
  /** Why there are no rows, where the whole result was withheld; else null. */
  readonly withheld: NonNullable<AggregateContent['withheld']> | null;
  readonly columns: readonly { readonly name: string; readonly kind: ColumnKind }[];
  readonly rows: readonly ResultRow[];
  /** The same as the worker made it: a table of apache-arrow. */
  readonly table: Table;
  readonly proof: ResultProof;
}

/** A record that is forged or damaged: nothing of it is shown, and reading goes on behind it. */
export interface Refused {
  readonly kind: 'refused';
  /** Where it lies on the topic of results. */
  readonly offset: number;
  readonly code: ErrorCode;
  readonly error: Error;
}

/** An owner has ended the contract: no result behind it is believed. */
export interface Ended {
  readonly kind: 'ended';
  readonly by: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly epoch: number;
  /** The contract that follows, where the parties have signed one. */
  readonly successor: string | null;
  /** How far each stream was counted. */
  readonly streams: StopNotice['streams'];
}

/**
 * Reads all results of a contract that are addressed to one party, as they are proven:
 * token -> key -> signature -> contract -> open -> history. The whole topic is read each time: only
 * all of it shows that nothing is missing.
 *
 * A refused record is a value and no error: whoever asks for results decides whether the others
 * still count. Leaving the loop leaves the log.
 *
 * @example
 * ```ts
 * const options = { contract: 'contract.json', identity: 'me.json', brokers: 'kafka:9092' };
 * for await (const reading of readResults(options)) {
 *   if (reading.kind === 'result') console.table(reading.rows);
 *   if (reading.kind === 'refused') console.error(reading.code, reading.offset);
 * }
 * ```
 * @throws ERR_USAGE, ERR_FILE_UNREADABLE, ERR_CONTRACT_*, ERR_IDENTITY_*, ERR_NOT_A_READER,
 *   ERR_KAFKA_CONFIG before anything is read; ERR_AGGREGATE_GAP when the log withholds a result or
 *   shows an old branch; ERR_LOG_*
 */
export async function* readResults(
  options: ReadOptions,
): AsyncGenerator<Result | Refused | Ended, void, void> {
  const { log, tracing, ...reading } = await openReading(options);
  try {
    yield* resultsOn({ ...reading, log, tracing });
  } finally {
    await Promise.all([log.close(), tracing?.close()]);
  }
}

/** The same on a log that is open. */
export async function* resultsOn(
  options: ReadAggregatesOptions,
): AsyncGenerator<Result | Refused | Ended, void, void> {
  const { signal, follow = false } = options;
  for await (const reading of readAggregates(options)) {
    if (reading.kind === 'result') yield resultOf(reading.result);
    if (reading.kind === 'refused') yield reading;
    if (reading.kind !== 'ended') continue;
    yield endOf(reading.notice);
    if (follow) return;
  }
  // A part of the results must not look like all of them.
  if (!follow) signal?.throwIfAborted();
}

async function openReading(options: ReadOptions) {
  const { namespace, query, follow = false, signal, roots = AMD_ROOTS } = options;
  const lists = readRevocationSettings(options.revocation ?? {});
  const signed =
    typeof options.contract === 'string' ? await readJsonFile(options.contract) : options.contract;
  const { contract, contractId } = await verifyContract(signed);
  const identity = parseIdentity(await readTextFile(options.identity));
  const logger = createLogger('analyst', { level: 'warn' });
  if (contract.enclave.platform === 'simulated') {
    logger.warn('simulated-platform-proves-nothing', { contract: contractId });
  }
  const only = query === undefined ? {} : { query };
  queriesOf({ contract, identity, ...only });
  const clock = systemClock;
  const revocation = await openRevocation(lists, { roots, clock });
  const clientId = `analyst-${identity.party}`;
  const connection = await readKafkaConnection(options, clientId);
  const [log, tracing] = await Promise.all([
    connectKafkaLog({ ...connection, logger }),
    openTracing({ service: 'analyst', otlp: undefined, environment: process.env, logger }),
  ]);
  const where = namespace === undefined ? {} : { namespace };
  const until = signal === undefined ? { follow } : { follow, signal };
  const who = { contract, contractId, identity, log, tracing, clock, roots };
  return { ...who, ...only, ...where, ...until, ...revocation };
}

function resultOf(verified: VerifiedResult): Result {
  const { seal, content, columns, table } = verified;
  const { query, window, epoch, emission }: AggregateSeal = seal;
  const rows = Array.from({ length: columns.length === 0 ? 0 : content.rows }, (_, row) =>
    Object.fromEntries(columns.map(({ name, cells }) => [name, cells[row] ?? null])),
  );
  return {
    kind: 'result',
    query,
    window,
    epoch,
    emission,
    suppressedGroups: content.suppressedGroups,
    withheld: content.withheld ?? null,
    columns: columns.map(({ name, kind }) => ({ name, kind })),
    rows,
    table,
    proof: proofFacts(verified),
  };
}

function endOf({ stoppedBy, at, epoch, successor, streams }: StopNotice): Ended {
  return { kind: 'ended', by: stoppedBy, at, epoch, successor: successor ?? null, streams };
}
