import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type PartyId, PartyIdSchema } from '@strongroom/protocol/fields';
import { RSA_BITS_MIN } from '@strongroom/protocol/limits';
import {
  type SigningKey,
  SigningKeySchema,
  type WrappingKey,
  WrappingKeySchema,
} from '@strongroom/protocol/public-key';
import { identityMalformed, type Reader, readIdentityFile } from './identity-file.ts';
import { publicJwkOf } from './private-keys.ts';
import { isWellFormed, sameKey } from './public-keys.ts';
import { Secret } from './secret.ts';
import type { SecretReader } from './secret-reader.ts';
import { createSigner, type Signer } from './sign.ts';
import { createUnwrapper } from './unwrapper.ts';

/** A party and its private keys; nothing of them can be read out again. */
export interface PartyIdentity extends Reader {
  readonly signer: Signer;
}

/**
 * Parses an identity file: {"party", "signing": private JWK, "reading"?: private JWK}.
 * @throws ERR_IDENTITY_MALFORMED with the member that is wrong
 */
export function parseIdentity(text: string): PartyIdentity {
  const { party, signing, reading } = readIdentityFile(text);
  const signer = signerFrom(signing);
  const reader = reading === undefined ? undefined : readerFrom(reading);
  return new Identity(party, signer, reader);
}

class Identity extends Secret implements PartyIdentity {
  readonly party: PartyId;
  readonly signer: Signer;
  declare readonly reader?: SecretReader;

  constructor(party: PartyId, signer: Signer, reader: SecretReader | undefined) {
    super();
    this.party = party;
    this.signer = signer;
    if (reader) this.reader = reader;
  }
}

function signerFrom(value: unknown): Signer {
  const signer = createSigner(privateKeyFrom(value, 'signing').privateKey);
  if (!isWellFormed(signer.publicKey, RSA_BITS_MIN)) throw identityMalformed('signing');
  return signer;
}

function readerFrom(value: unknown): SecretReader {
  const key = privateKeyFrom(value, 'reading');
  const publicKey = WrappingKeySchema.safeParse(key.publicJwk);
  if (!publicKey.success || !isWellFormed(publicKey.data, RSA_BITS_MIN)) {
    throw identityMalformed('reading');
  }
  return createUnwrapper(key.privateKey, publicKey.data);
}

/** A private JWK in its one form: exactly the members of its kind, halves that belong together. */
function privateKeyFrom(
  value: unknown,
  member: string,
): { privateKey: KeyObject; publicJwk: object } {
  if (typeof value !== 'object' || value === null) throw identityMalformed(member);
  try {
    const privateKey = createPrivateKey({ key: { ...value }, format: 'jwk' });
    const publicJwk = publicJwkOf(privateKey);
    if (sameKey(privateKey.export({ format: 'jwk' }), value)) return { privateKey, publicJwk };
  } catch {
    // Node's text may quote the key; ours names the member.
  }
  throw identityMalformed(member);
}

/**
 * Makes a party's keys: Ed25519 to sign, P-256 to read results.
 * @returns the file's text (secret: mode 0600) and the public halves for the contract
 * @throws ERR_IDENTITY_MALFORMED when the name cannot be a party id
 */
export async function createIdentity(
  party: string,
  options: { readonly reading: boolean },
): Promise<{ identityJson: string; signingKey: SigningKey; readingKey?: WrappingKey }> {
  if (!PartyIdSchema.safeParse(party).success) throw identityMalformed('party');
  const signing = generateKeyPairSync('ed25519');
  const reading = options.reading ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : undefined;
  const file = {
    party,
    signing: signing.privateKey.export({ format: 'jwk' }),
    ...(reading && { reading: reading.privateKey.export({ format: 'jwk' }) }),
  };
  return {
    identityJson: `${JSON.stringify(file, null, 2)}\n`,
    signingKey: SigningKeySchema.parse(signing.publicKey.export({ format: 'jwk' })),
    ...(reading && {
      readingKey: WrappingKeySchema.parse(reading.publicKey.export({ format: 'jwk' })),
    }),
  };
}
