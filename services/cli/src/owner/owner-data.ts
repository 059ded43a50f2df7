import type { PartyId } from '@strongroom/protocol/fields';
import { quarantineTopic, usesTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import type { ReadingOwner, WorkerTrust } from '../owner-log.ts';
import { type ReadUses, UsesReading } from '../read-uses.ts';
import { endOf } from '../status-of-log.ts';
import type { DataFacts } from './facts.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { SentStreams } from './sent-streams.ts';
import { usesFacts } from './uses-facts.ts';

export interface OwnerDataOptions extends WorkerTrust {
  readonly owner: PartyId;
  readonly namespace: string;
  readonly connect: () => Promise<RecordLog>;
  /** With it the ledger of uses is opened. */
  readonly reader?: ReadingOwner;
}

export interface OwnerData {
  /** What was sent, and what became of it. @throws ERR_LOG_*, ERR_USES_BROKEN */
  now(): Promise<DataFacts>;
  /** Undefined without the reading key, and before a worker has come. */
  uses(): Promise<ReadUses | undefined>;
  close(): Promise<void>;
}

/** What the log says of an owner's data. The log is asked for when it is needed first. */
export function openOwnerData(options: OwnerDataOptions): OwnerData {
  const { contract, contractId, owner, namespace, connect, reader } = options;
  const own = contract.datasets.filter((dataset) => dataset.owner === owner);
  const at = { contract, contractId, namespace };
  const streams = own.map((dataset) => new SentStreams({ ...at, dataset }));
  const reading = reader && new UsesReading(reader, options);
  let connecting: Promise<RecordLog> | undefined;
  /** A log that could not be reached is tried again by whoever asks next. */
  const connected = () => {
    connecting ??= connect();
    connecting.catch(() => {
      connecting = undefined;
    });
    return connecting;
  };
  const uses = oneAtATime(async () => {
    const log = await connected();
    const end = await endOf(log, usesTopic(contractId, owner, namespace), 0);
    // Before a worker has come there is no ledger.
    return end === null ? undefined : reading?.catchUp(log);
  });
  const now = oneAtATime(async (): Promise<DataFacts> => {
    const log = await connected();
    const datasets = [];
    for (const each of streams) datasets.push(await each.catchUp(log));
    const quarantined = await endOf(log, quarantineTopic(contractId, owner, namespace), 0);
    const read = await uses();
    return { datasets, quarantined, ...(read ? { uses: usesFacts(read) } : {}) };
  });
  return {
    now,
    uses,
    close: async () => {
      await (await connecting?.catch(() => undefined))?.close();
    },
  };
}
