import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import { type KafkaPlace, readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readTextFile } from '@strongroom/runtime/files';
import type { Logger } from '@strongroom/runtime/logger';
import type { PartyIdentity } from '@strongroom/sealing/identity';
import { type JoinKey, parseJoinKey } from '@strongroom/sealing/join-key';
import type { SourceRequest } from './check-source.ts';
import type { PublishRequest } from './publish-source.ts';
import type { Settings } from './settings.ts';

/** From settings to what is asked of the pipeline: the same for the command and for the SDK. */

export function sourceRequest(
  settings: Settings,
  files: Pick<SourceRequest, 'signedContract' | 'amendments' | 'joinKeys'>,
  input: SourceRequest['input'],
  signal: AbortSignal,
): SourceRequest {
  const { dataset, stream, format, columns, withoutForm } = settings;
  const { batchRows, batchBytes, limitRows } = settings;
  const rule = { lagMs: settings.watermarkLag, allowLate: settings.allowLate };
  const cut = { batchRows, batchBytes, limitRows };
  return {
    ...files,
    datasetId: dataset,
    stream,
    input,
    format,
    columns,
    withoutForm,
    ...cut,
    rule,
    signal,
  };
}

export function publishRequest(
  settings: Settings,
  request: SourceRequest,
  wiring: Pick<PublishRequest, 'identity' | 'log' | 'logger' | 'onProgress' | 'tracing'>,
): PublishRequest {
  return {
    ...request,
    ...wiring,
    final: settings.final,
    checkFirst: settings.check,
    recover: settings.recover,
    compression: { how: settings.compression, level: settings.compressionLevel },
    stateFolder: settings.state ?? '',
    namespace: settings.namespace,
    clock: systemClock,
  };
}

/** @throws ERR_FILE_UNREADABLE, and what `parseJoinKey` throws */
export async function readJoinKeys(paths: readonly string[] = []): Promise<JoinKey[]> {
  return (await Promise.all(paths.map(readTextFile))).map(parseJoinKey);
}

/** @throws ERR_USAGE, ERR_KAFKA_CONFIG, ERR_LOG_* */
export async function connectLog(
  place: KafkaPlace,
  identity: PartyIdentity,
  logger: Logger,
): Promise<RecordLog> {
  const connection = await readKafkaConnection(place, `producer-${identity.party}`);
  return await connectKafkaLog({ ...connection, logger });
}
