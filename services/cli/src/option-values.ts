import { StrongroomError } from '@strongroom/protocol/errors';
import { InvalidArgumentError } from 'commander';

/**
 * Not while options are parsed: an empty KAFKA_BROKERS must not keep --help from showing.
 * @param instead what else would do, for the message
 * @throws ERR_USAGE
 */
export function brokerList(text: string | undefined, instead = ''): string[] {
  const list = (text ?? '').split(',');
  if (list.every((each) => /^\S+:[0-9]{1,5}$/.test(each))) return list;
  const problem = `${instead} --brokers or KAFKA_BROKERS: HOST:PORT, several with commas`.trim();
  throw new StrongroomError('ERR_USAGE', { problem });
}

const SECONDS_MAX = 3_600;

export function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= SECONDS_MAX) return value;
  throw new InvalidArgumentError(`seconds above 0, at most ${SECONDS_MAX}`);
}
