import { StrongroomError } from '@strongroom/protocol/errors';

/** Not while options are parsed: an empty KAFKA_BROKERS must not keep --help from showing. */
export function brokerList(text: string): string[] {
  const list = text.split(',');
  if (!list.every((each) => /^\S+:[0-9]{1,5}$/.test(each))) {
    const problem = '--brokers or KAFKA_BROKERS: HOST:PORT, several with commas';
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  return list;
}
