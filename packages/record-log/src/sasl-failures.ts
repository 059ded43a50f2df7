/** kafkajs's, as far as it matters here: says bytes, and gives what was answered. */
interface Exchange {
  saslAuthenticate(args: never): Promise<unknown>;
}

type Provider<Its extends Exchange> = (exchange: Its) => { authenticate(): Promise<void> };

/**
 * A mechanism of kafkajs 2.2.4 tells whatever happens while it says who we are as a password that
 * is refused, and that ends everything: also a broker that has no time, and a connection that
 * breaks. Here only what the broker has answered is a refusal, and all else is tried again.
 */
export function tellingFailures<Its extends Exchange>(provider: Provider<Its>): Provider<Its> {
  return (exchange) => ({
    async authenticate() {
      let failure: unknown;
      const saslAuthenticate = async (args: never) => {
        try {
          return await exchange.saslAuthenticate(args);
        } catch (error) {
          failure = error;
          throw error;
        }
      };
      try {
        await provider({ ...exchange, saslAuthenticate }).authenticate();
      } catch (told) {
        throw failure === undefined || isAnswer(failure) ? told : failure;
      }
    },
  });
}

const isAnswer = (error: unknown) =>
  error instanceof Error && error.name === 'KafkaJSProtocolError';
