import { createHash, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { contractBytes, parseContract } from '@strongroom/protocol/contract';
import {
  ContractIdSchema,
  PartyIdSchema,
  QueryIdSchema,
  StreamIdSchema,
} from '@strongroom/protocol/fields';
import { TAG_BYTES } from '@strongroom/protocol/limits';
import { AGGREGATE_FORMAT, encodeAggregateContent } from '@strongroom/protocol/sealed-aggregate';
import { createIdentity } from '@strongroom/sealing/identity';
import { sealInParts } from '@strongroom/sealing/seal';
import { createSigner } from '@strongroom/sealing/sign';
import { compactDecrypt, importJWK } from 'jose';
import { smallContract } from '../../packages/sealing/test/small-contract.ts';
import { RESULT_VECTOR, type ResultVector } from './sealed-aggregate-vector.ts';

/**
 * Writes schemas/sealed-aggregate/vectors/parts.json anew. Run when the format changes:
 * node --conditions=strongroom:source test/conformance/make-sealed-aggregate-vector.ts
 *
 * The bytes of the two parts follow from what it holds, so they are not in it.
 */

const RESULT_BYTES = 904_096;
const text = (bytes: Uint8Array | ArrayBuffer) =>
  Buffer.from(new Uint8Array(bytes)).toString('base64url');
const sha256 = (words: string | Uint8Array) => createHash('sha256').update(words).digest('hex');

const { contract: plain } = await smallContract();
const reading = generateKeyPairSync('x25519');
const { identityJson: _identity, ...analyst } = await createIdentity('analyst', { reading: false });
const readingKey = reading.publicKey.export({ format: 'jwk' });
const contract = parseContract({
  ...plain,
  parties: plain.parties.map((each) =>
    each.id === 'analyst' ? { ...each, ...analyst, readingKey } : each,
  ),
  queries: plain.queries.map((each) => ({
    ...each,
    disclosure: { ...each.disclosure, resultBytes: RESULT_BYTES },
  })),
});
const contractId = ContractIdSchema.parse(sha256(contractBytes(contract)));
const counted = [{ rows: 30, lateRows: 0, retractedRows: 0 }];
const content = encodeAggregateContent(
  { rows: 1, suppressedGroups: 0, inputs: counted },
  Buffer.from('an Arrow IPC stream'),
);
const input = { dataset: 'flights', stream: StreamIdSchema.parse('AAAAAAAAAAAAAAAAAAAAAA') };
const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
const token = sha256('an attestation proof');
const place = { contract: contractId, query: QueryIdSchema.parse('daily') };
const parts = await sealInParts(AGGREGATE_FORMAT, {
  plaintext: content,
  sizes: [RESULT_BYTES],
  at: { ...place, reader: PartyIdSchema.parse('analyst'), epoch: 1, emission: 7 },
  members: {
    window: { start: 0, end: 86_400_000 },
    ...{ checkpoint: 9, token },
    inputs: [{ ...input, epoch: 0, sequences: 3, head: sha256('a seal') }],
  },
  to: { kid: 'analyst', wrappingKey: parseReadingKey() },
  signer,
});

function parseReadingKey() {
  const { readingKey: parsed } = contract.parties.find(({ id }) => id === 'analyst') ?? {};
  if (!parsed) throw new Error('the analyst reads');
  return parsed;
}

const privateJwk = reading.privateKey.export({ format: 'jwk' });
const [first] = parts;
if (!first) throw new Error('two parts');
const privateKey = await importJWK({ ...privateJwk, alg: 'ECDH-ES+A256KW' });
const { plaintext: secret } = await compactDecrypt(first.seal.segment, privateKey);
const vector: ResultVector = {
  about: 'A result of two parts; values of records follow from secret, content and seals.',
  contract: JSON.parse(new TextDecoder().decode(contractBytes(contract))),
  contractId,
  readingPrivateKey: privateJwk,
  signingKey: signer.publicKey,
  token,
  secret: text(secret),
  content: text(content),
  plaintextBytes: RESULT_BYTES,
  parts: parts.map(({ record, seal }) => {
    const keyInfo = new TextDecoder().decode(AGGREGATE_FORMAT.keyInfoOf(seal));
    const tag = text(record.value.subarray(-TAG_BYTES));
    return {
      ...{ key: record.key, headers: record.headers, keyInfo, tag },
      dataKey: text(hkdfSync('sha256', secret, new Uint8Array(0), keyInfo, 32)),
      ciphertextSha256: seal.ciphertextSha256,
    };
  }),
};
mkdirSync(new URL('.', RESULT_VECTOR), { recursive: true });
writeFileSync(RESULT_VECTOR, `${JSON.stringify(vector, null, 1)}\n`);
