import type { BearerTokens } from './bearer-tokens.ts';
import type { HiddenText } from './hidden-text.ts';

/** `host:port`, as it stands in a list of bootstrap servers. */
export const BOOTSTRAP_SERVER = /^[^\s,:]+:\d{1,5}$/;

/** How a cluster is reached and who asks, in the words of nobody's client. */
export interface KafkaConnection {
  /** Bootstrap servers, `host:port`. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** TLS when present. */
  readonly tls?: KafkaTls;
  readonly sasl?: KafkaSasl;
  readonly connectionTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly metadataAgeMsMax?: number;
  /** The cluster has no transactions, or they are not to be used. */
  readonly transactions?: 'none';
}

/** Whom this client believes, and by what it is known itself; PEM. */
export interface KafkaTls {
  /** Certificates of authorities, in the place of those that Node trusts. */
  readonly authorities?: string;
  readonly certificateChain?: string;
  readonly privateKey?: HiddenText;
  readonly passphrase?: HiddenText;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export type KafkaSasl =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
      readonly username: string;
      readonly password: HiddenText;
    }
  | { readonly mechanism: 'OAUTHBEARER'; readonly tokens: BearerTokens };
