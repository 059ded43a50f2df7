import { readFile } from 'node:fs/promises';
import { BOOTSTRAP_SERVER, type KafkaConnection } from './kafka-connection.ts';
import { parseKafkaSettings } from './kafka-settings.ts';
import { LogError } from './log-error.ts';

/** What a command line, or a program, says of it. */
export interface KafkaPlace {
  /** HOST:PORT, several with commas or in a list. */
  readonly brokers?: string | readonly string[] | undefined;
  /** A file of settings under Kafka's own names. */
  readonly kafkaConfig?: string | undefined;
}

/** `clientId` where the file names none. @throws ERR_USAGE, ERR_KAFKA_CONFIG */
export async function readKafkaConnection(
  { brokers, kafkaConfig }: KafkaPlace,
  clientId: string,
): Promise<KafkaConnection> {
  const named = brokers === undefined ? undefined : brokerList(brokers);
  if (kafkaConfig === undefined) {
    if (named !== undefined) return { brokers: named, clientId };
    throw badPlace('--brokers or KAFKA_BROKERS: HOST:PORT, several with commas; or --kafka-config');
  }
  const settings = await parseKafkaSettings(await readText(kafkaConfig));
  const inFile = settings.brokers;
  if (named && inFile && named.join() !== inFile.join()) {
    throw badPlace('--brokers or KAFKA_BROKERS names others than bootstrap.servers of the file');
  }
  const servers = inFile ?? named;
  if (servers === undefined) throw badPlace('bootstrap.servers, or --brokers beside the file');
  return { clientId, ...settings, brokers: servers };
}

/** Not while options are parsed: an empty KAFKA_BROKERS must not keep --help from showing. */
function brokerList(given: string | readonly string[]): string[] {
  const list = [given].flat().join(',').split(',');
  if (list.every((each) => BOOTSTRAP_SERVER.test(each))) return list;
  throw badPlace('--brokers or KAFKA_BROKERS: HOST:PORT, several with commas');
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    throw new LogError('ERR_KAFKA_CONFIG', { problem: 'no readable file', file });
  }
}

function badPlace(problem: string): LogError {
  return new LogError('ERR_USAGE', { problem });
}
