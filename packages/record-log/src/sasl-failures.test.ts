import { expect, test } from 'vitest';
import { tellingFailures } from './sasl-failures.ts';

/** As those of kafkajs: one error for whatever happens. */
const provider = (exchange: { saslAuthenticate(args: never): Promise<unknown> }) => ({
  async authenticate() {
    const answer = await exchange.saslAuthenticate({} as never).catch(() => 'wrong');
    if (answer === 'wrong') throw named('KafkaJSSASLAuthenticationError');
  },
});

const named = (name: string) => Object.assign(new Error('what it says'), { name });
const telling = (saslAuthenticate: () => Promise<unknown>) =>
  tellingFailures(provider)({ saslAuthenticate }).authenticate();

test.each(['KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError', 'RangeError'])(
  'tells a %s as what it is',
  async (name) => {
    await expect(telling(() => Promise.reject(named(name)))).rejects.toMatchObject({ name });
  },
);

test('leaves what the broker has answered, and what the mechanism finds in an answer', async () => {
  const refusal = { name: 'KafkaJSSASLAuthenticationError' };
  const answers = [Promise.reject(named('KafkaJSProtocolError')), Promise.resolve('wrong')];
  for (const answer of answers) {
    await expect(telling(() => answer)).rejects.toMatchObject(refusal);
  }
  await expect(telling(() => Promise.resolve('right'))).resolves.toBeUndefined();
});
