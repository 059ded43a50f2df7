import process from 'node:process';
import { readListFile } from '@strongroom/attestation/platforms/list-file';
import {
  openRevocation,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import type { WorkerProof } from '@strongroom/attestation/worker-proof';
import { type SignedContract, SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { aggregatesTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import { parseSavedResult, writeSavedResult } from '@strongroom/protocol/saved-result';
import type { AggregateSeal } from '@strongroom/protocol/sealed-aggregate';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogEntry } from '@strongroom/record-log/log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { createLogger } from '@strongroom/runtime/logger';
import { printable } from '@strongroom/runtime/printable';
import { parseIdentity } from '@strongroom/sealing/identity';
import { claimedAggregate } from '@strongroom/sealing/open-aggregate';
import { verifyContract } from '@strongroom/sealing/verify';
import { fileSink } from './byte-sink.ts';
import { createPartShelf, type PartShelf } from './part-shelf.ts';
import type { ReadableLog } from './read-aggregates.ts';
import { resultJson } from './result-json.ts';
import { resultText } from './result-text.ts';
import {
  type CheckedResult,
  checkedWords,
  checkSavedResult,
  createRecordShelf,
} from './saved-result.ts';

export interface SaveOptions extends RevocationSettings {
  readonly contract: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace?: string;
  readonly query: string;
  readonly reader?: string;
  readonly emission?: number;
  readonly out: string;
  readonly logLevel: string;
}

/** `strongroom analyst save`: one result, sealed as it is, and what proves it. Needs no key. */
export async function save(options: SaveOptions, simulated: RootSet | undefined): Promise<void> {
  const lists = readRevocationSettings(options);
  const roots = simulated ?? AMD_ROOTS;
  const connection = await readKafkaConnection(options, 'analyst-save');
  const signed = await readJsonFile(options.contract);
  const { contractId } = await verifyContract(signed);
  const contract = SignedContractSchema.parse(signed);
  const logger = createLogger('analyst', { level: options.logLevel });
  const log = await connectKafkaLog({ ...connection, logger });
  try {
    const topic = aggregatesTopic(contractId, options.namespace);
    const text = await findResult(log, topic, contract, options);
    const { proof } = await checkSavedResult(text, {
      clock: systemClock,
      rootsFor: () => roots,
      ...(await openRevocation(lists, { roots, clock: systemClock })),
    });
    const sink = await fileSink(options.out, false);
    await sink.write(withList(text, proof));
    await sink.close();
  } finally {
    await log.close();
  }
}

/** The newest of what matches. @throws ERR_USAGE when the log has no such result */
async function findResult(
  log: ReadableLog,
  topic: string,
  contract: SignedContract,
  { query, reader, emission }: SaveOptions,
): Promise<string> {
  const shelf = createRecordShelf();
  const parts = createPartShelf<Claimed>();
  let found: readonly Claimed[] | undefined;
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const entry of entries) {
      shelf.add(entry);
      const wanted = wantedOf(entry, { query, reader, emission });
      found = (wanted && wholeOf(wanted, parts)) ?? found;
    }
  }
  const records = found?.map(({ entry }) => entry);
  const text = records && shelf.fileOf(records, contract);
  if (text === undefined) {
    throw new StrongroomError('ERR_USAGE', { problem: 'no such result is on the log' });
  }
  return text;
}

/** The list that the machine was held to goes along: nobody may be there to ask for it later. */
function withList(text: string, { revocationList }: WorkerProof): string {
  if (!revocationList) return text;
  return writeSavedResult({ ...parseSavedResult(text), revocationLists: [revocationList.bytes] });
}

interface Wanted {
  readonly query: string;
  readonly reader: string | undefined;
  readonly emission: number | undefined;
}

/** What a record says to be; all of it is verified when it is known what is saved. */
interface Claimed {
  readonly entry: LogEntry;
  readonly seal: AggregateSeal;
}

/** A record that cannot be read is not what is looked for. */
function wantedOf(entry: LogEntry, { query, reader, emission }: Wanted): Claimed | undefined {
  if (entry.headers['ce_type'] !== RECORD_TYPES.aggregate) return undefined;
  try {
    const seal = claimedAggregate(entry);
    const isReader = reader === undefined || seal.reader === reader;
    const isPlace = emission === undefined || seal.emission === emission;
    return seal.query === query && isReader && isPlace ? { entry, seal } : undefined;
  } catch {
    return undefined;
  }
}

/** Nor is one whose other parts are not there. */
function wholeOf(part: Claimed, parts: PartShelf<Claimed>): readonly Claimed[] | undefined {
  try {
    return parts.add(part);
  } catch {
    return undefined;
  }
}

export interface VerifyOptions {
  readonly identity?: string;
  readonly revocationList?: readonly string[];
  readonly json?: boolean;
}

/** `strongroom analyst verify`: what a saved result proves; no log and no network. */
export async function verify(
  path: string,
  options: VerifyOptions,
  simulated: RootSet | undefined,
): Promise<void> {
  const text = await readTextFile(path);
  const { identity: identityPath, revocationList = [] } = options;
  const identity = identityPath && parseIdentity(await readTextFile(identityPath));
  const checked = await checkSavedResult(text, {
    clock: systemClock,
    rootsFor: () => simulated ?? AMD_ROOTS,
    revocationLists: await Promise.all(revocationList.map(readListFile)),
    ...(identity ? { identity } : {}),
  });
  process.stdout.write(options.json ? checkedJson(checked) : checkedText(checked));
}

function checkedText(checked: CheckedResult): string {
  const { proven, notProven } = checkedWords(checked);
  const { opened, contract, seal } = checked;
  const query = contract.queries.find(({ id }) => id === seal.query);
  const lines = [
    'PROVEN',
    ...proven.map(([label, text]) => `  ${label.padEnd(10)}${printable(text)}`),
    'NOT PROVEN',
    ...notProven.map((text) => `  ${text}`),
  ];
  const rows = opened && query ? `\n${resultText(opened, query, false)}` : '\n';
  return `${lines.join('\n')}${rows}`;
}

function checkedJson(checked: CheckedResult): string {
  const { proven, notProven } = checkedWords(checked);
  const { opened } = checked;
  const result = opened ? { result: JSON.parse(resultJson(opened, false)) } : {};
  return `${JSON.stringify({ proven, notProven, ...result })}\n`;
}
