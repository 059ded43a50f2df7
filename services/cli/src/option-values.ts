import { InvalidArgumentError, Option } from 'commander';

export function brokersOption(text = 'HOST:PORT,…'): Option {
  return new Option('--brokers <list>', text).env('KAFKA_BROKERS');
}

export function kafkaConfigOption(): Option {
  return new Option('--kafka-config <file>', "settings under Kafka's own names").env(
    'KAFKA_CONFIG',
  );
}

const SECONDS_MAX = 3_600;

export function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= SECONDS_MAX) return value;
  throw new InvalidArgumentError(`seconds above 0, at most ${SECONDS_MAX}`);
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number');
  return Number(text);
}
