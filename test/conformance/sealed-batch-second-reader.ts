import { gcm } from '@noble/ciphers/aes.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { compactVerify } from 'jose';
import { unfold } from './sealed-batch-second-frame.ts';
import {
  canonicalText,
  decode,
  hasExactly,
  isBatchSeal,
  isManifest,
  isOpening,
  isRetraction,
  type Members,
} from './sealed-batch-second-shapes.ts';
import { unwrapSecret } from './sealed-batch-second-unwrap.ts';
import {
  bytesOfValue,
  type ContractExtract,
  type Vector,
  type VectorRecord,
} from './sealed-batch-vector.ts';

/**
 * A second reader, written from schemas/sealed-batch/README.md with noble's ciphers and hashes and
 * jose's signatures, and fzstd's decoder. It shares no line with packages/sealing or
 * packages/protocol and is slow and plain on purpose: where the two disagree, one of them or the
 * page is wrong.
 */

class Refusal extends Error {}

function demand(condition: boolean, code: string): asserts condition {
  if (!condition) throw new Refusal(code);
}

const ascii = (text: string) => new TextEncoder().encode(text);

/** What becomes of each record: a SHA-256, `reached`, `ahead`, or an error code. */
export async function readWithSecondReader(vector: Vector): Promise<string[]> {
  const stream = new Stream(vector);
  const outcomes: string[] = [];
  for (const record of vector.records) {
    try {
      const read = READERS[record.headers['ce_type'] ?? ''] ?? readBatch;
      outcomes.push(await read(record, vector.contract, stream));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      outcomes.push(error.message);
    }
  }
  return outcomes;
}

async function readBatch(
  record: VectorRecord,
  contract: ContractExtract,
  stream: Stream,
): Promise<string> {
  const value = bytesOfValue(record);
  const jws = record.headers['seal'];
  demand(jws !== undefined && jws.length <= 8_192, 'ERR_SEAL_MALFORMED');
  demand(value.length <= 900_016, 'ERR_LIMIT_EXCEEDED');
  demand(value.length >= 17, 'ERR_BATCH_UNOPENABLE');
  const seal = await readPayload(jws, 'strongroom-batch+jws', contract, 'ERR_SEAL_MALFORMED');
  demand(isBatchSeal(seal), 'ERR_SEAL_MALFORMED');
  checkPlace(seal, contract);
  const timed = contract.dataset.eventTime !== undefined;
  demand((seal['eventTime'] !== null) === timed, 'ERR_SEAL_MALFORMED');
  const arrow = 'application/vnd.apache.arrow.stream';
  checkHeaders(record, seal, 'strongroom.batch.v1', String(seal['sequence']), arrow);
  const ciphertext = value.slice(0, -16);
  demand(bytesToHex(sha256(ciphertext)) === seal['ciphertextSha256'], 'ERR_CIPHERTEXT_HASH');
  const secret = await unwrapSecret(String(seal['segment']), contract, nameOf(seal));
  demand(secret !== undefined, 'ERR_SEGMENT_UNWRAP');
  const info = ascii(`strongroom/batch-key/v1 ${nameOf(seal)} ${seal['sequence']}`);
  const dataKey = hkdf(sha256, secret, undefined, info, 32);
  const opened = open(dataKey, value, seal, jws);
  demand(opened !== undefined, 'ERR_BATCH_UNOPENABLE');
  const length = Number(seal['plaintextBytes']);
  const isFrame = seal['compression'] !== undefined;
  demand(isFrame || opened.length === length, 'ERR_BATCH_UNOPENABLE');
  const plaintext = isFrame ? unfold(opened, length) : opened;
  demand(plaintext !== undefined, 'ERR_BATCH_COMPRESSION');
  stream.take(seal, jws);
  return bytesToHex(sha256(plaintext));
}

function open(
  dataKey: Uint8Array,
  value: Uint8Array,
  seal: Members,
  jws: string,
): Uint8Array | undefined {
  const commitment = hkdf(sha256, dataKey, undefined, ascii('strongroom/commitment/v1'), 32);
  const claimed = decode(String(seal['commitment']));
  if (claimed === undefined || bytesToHex(claimed) !== bytesToHex(commitment)) return undefined;
  return openPlainly(dataKey, value, jws);
}

/** AES-256-GCM alone, without commitment. */
export function openPlainly(
  dataKey: Uint8Array,
  value: Uint8Array,
  jws: string,
): Uint8Array | undefined {
  try {
    return gcm(dataKey, new Uint8Array(12), ascii(jws)).decrypt(value);
  } catch {
    return undefined;
  }
}

async function readManifest(
  record: VectorRecord,
  contract: ContractExtract,
  stream: Stream,
): Promise<string> {
  const malformed = 'ERR_MANIFEST_MALFORMED';
  const jws = record.headers['seal'];
  demand(jws !== undefined && jws.length <= 4_096, malformed);
  demand(bytesOfValue(record).length === 0, malformed);
  const manifest = await readPayload(jws, 'strongroom-manifest+jws', contract, malformed);
  demand(isManifest(manifest), malformed);
  checkPlace(manifest, contract);
  const timed = contract.dataset.eventTime !== undefined;
  demand(timed || manifest['watermark'] === null, malformed);
  const id = `manifest.${manifest['sequences']}${manifest['final'] === true ? '.final' : ''}`;
  checkHeaders(record, manifest, 'strongroom.manifest.v1', id, 'application/jose');
  return stream.compare(manifest);
}

async function readOpening(
  record: VectorRecord,
  contract: ContractExtract,
  stream: Stream,
): Promise<string> {
  const { word, jws } = await readWord(record, contract, 'opening', isOpening);
  checkHeaders(record, word, 'strongroom.opening.v1', 'opening', 'application/jose');
  stream.open(word, jws);
  return 'opened';
}

async function readRetraction(
  record: VectorRecord,
  contract: ContractExtract,
  stream: Stream,
): Promise<string> {
  const { word, jws } = await readWord(record, contract, 'retraction', isRetraction);
  const id = String(word['sequence']);
  checkHeaders(record, word, 'strongroom.retraction.v1', id, 'application/jose');
  stream.take({ ...word, rows: 0 }, jws);
  return 'retracted';
}

async function readWord(
  record: VectorRecord,
  contract: ContractExtract,
  type: 'opening' | 'retraction',
  isOne: (members: Members) => boolean,
): Promise<{ word: Members; jws: string }> {
  const malformed = `ERR_${type.toUpperCase()}_MALFORMED`;
  const jws = record.headers['seal'];
  demand(jws !== undefined && jws.length <= 4_096, malformed);
  demand(bytesOfValue(record).length === 0, malformed);
  const word = await readPayload(jws, `strongroom-${type}+jws`, contract, malformed);
  demand(isOne(word), malformed);
  checkPlace(word, contract);
  return { word, jws };
}

const READERS: Record<string, typeof readBatch> = {
  'strongroom.manifest.v1': readManifest,
  'strongroom.opening.v1': readOpening,
  'strongroom.retraction.v1': readRetraction,
};

const ALGORITHMS: Record<string, string> = { Ed25519: 'EdDSA', 'P-256': 'ES256', 'P-384': 'ES384' };

async function readPayload(
  jws: string,
  typ: string,
  contract: ContractExtract,
  malformed: string,
): Promise<Members> {
  const [protectedHeader, payload, signature, ...more] = jws.split('.').map(decode);
  demand(protectedHeader !== undefined && payload !== undefined, malformed);
  demand(signature !== undefined && more.length === 0, malformed);
  const header = canonicalText(protectedHeader);
  demand(hasExactly(header, ['alg', 'kid', 'typ']), malformed);
  demand(
    Object.values(header).every((member) => typeof member === 'string'),
    malformed,
  );
  demand(header['typ'] === typ, malformed);
  const { id, signingKey } = contract.owner;
  const algorithm = ALGORITHMS[signingKey['crv'] ?? ''] ?? '';
  demand(header['alg'] === algorithm, 'ERR_SEAL_ALGORITHM');
  demand(header['kid'] === id, 'ERR_SEAL_SIGNATURE');
  demand(hasLowS(signature, algorithm), 'ERR_SEAL_SIGNATURE');
  try {
    await compactVerify(jws, { ...signingKey }, { algorithms: [algorithm] });
  } catch {
    throw new Refusal('ERR_SEAL_SIGNATURE');
  }
  const members = canonicalText(payload);
  demand(members !== undefined, malformed);
  const version = members['v'];
  demand(!(Number.isInteger(version) && version !== 1), 'ERR_SEAL_VERSION');
  return members;
}

const ORDERS: Record<string, string> = {
  ES256: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  ES384:
    'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
};

function hasLowS(signature: Uint8Array, algorithm: string): boolean {
  const order = ORDERS[algorithm];
  if (order === undefined) return true;
  const s = bytesToHex(signature.slice(signature.length / 2));
  return signature.length === order.length && BigInt(`0x${s}`) * 2n <= BigInt(`0x${order}`);
}

function nameOf(at: Members): string {
  return `${at['contract']} ${at['dataset']} ${at['stream']} ${at['epoch']}`;
}

function checkPlace(at: Members, contract: ContractExtract): void {
  const here = at['contract'] === contract.id && at['dataset'] === contract.dataset.id;
  demand(here, 'ERR_SEAL_CONTEXT');
}

function checkHeaders(
  record: VectorRecord,
  at: Members,
  type: string,
  id: string,
  content: string,
): void {
  const { seal, ...found } = record.headers;
  const expected: Record<string, string> = {
    ce_specversion: '1.0',
    ce_type: type,
    ce_source: `/contracts/${at['contract']}/datasets/${at['dataset']}`,
    ce_id: `${at['stream']}.${at['epoch']}.${id}`,
    'content-type': content,
  };
  const lines = (headers: object) =>
    Object.entries(headers)
      .map((entry) => JSON.stringify(entry))
      .sort()
      .join();
  const same = seal !== undefined && lines(found) === lines(expected);
  demand(same && record.key === at['stream'], 'ERR_RECORD_HEADERS');
}

/** Part 8 of the page. */
class Stream {
  #name: string | undefined;
  #epoch = 0;
  #sequence = 0;
  #rows = 0;
  #head = '';
  #final = false;
  readonly #heads = new Map<string, { head: string; rows: number }>();

  constructor({ start, contract }: Vector) {
    if (!start) return;
    const { stream, epoch, sequence } = start;
    this.#begin({ contract: contract.id, dataset: contract.dataset.id, stream });
    this.#step(epoch, sequence, start.head, start.rows);
  }

  #begin(at: Members): void {
    const first = nameOf({ ...at, epoch: 0 });
    this.#name = first;
    this.#step(0, 0, hashOf(`strongroom/stream/v1 ${first}`), 0);
  }

  #step(epoch: number, sequence: number, head: string, rows: number): void {
    [this.#epoch, this.#sequence, this.#head, this.#rows] = [epoch, sequence, head, rows];
    this.#heads.set(`${epoch}/${sequence}`, { head, rows });
  }

  #checkStream(at: Members): void {
    if (this.#name === undefined) this.#begin(at);
    demand(nameOf({ ...at, epoch: 0 }) === this.#name, 'ERR_STREAM_UNKNOWN');
  }

  take(seal: Members, jws: string): void {
    this.#checkStream(seal);
    const [epoch, sequence] = [Number(seal['epoch']), Number(seal['sequence'])];
    const known = this.#heads.get(`${epoch}/${sequence + 1}`)?.head;
    const head = hashOf(jws);
    if (epoch < this.#epoch) {
      throw new Refusal(known === head ? 'ERR_BATCH_REPLAYED' : 'ERR_STREAM_EPOCH');
    }
    demand(epoch === this.#epoch, 'ERR_STREAM_GAP');
    if (sequence < this.#sequence) {
      throw new Refusal((known ?? head) === head ? 'ERR_BATCH_REPLAYED' : 'ERR_STREAM_FORKED');
    }
    demand(sequence === this.#sequence, 'ERR_STREAM_GAP');
    demand(seal['previous'] === this.#head, 'ERR_STREAM_FORKED');
    demand(!this.#final, 'ERR_MANIFEST_MISMATCH');
    this.#step(epoch, sequence + 1, head, this.#rows + Number(seal['rows']));
  }

  open(opening: Members, jws: string): void {
    this.#checkStream(opening);
    const epoch = Number(opening['epoch']);
    const from = opening['continues'] as Members;
    const [fromEpoch, sequences] = [Number(from['epoch']), Number(from['sequences'])];
    const head = hashOf(jws);
    if (epoch <= this.#epoch) {
      const known = this.#heads.get(`${epoch}/${sequences}`)?.head === head;
      demand(!known, 'ERR_BATCH_REPLAYED');
      throw new Refusal(epoch < this.#epoch ? 'ERR_STREAM_EPOCH' : 'ERR_STREAM_FORKED');
    }
    const isLater = fromEpoch === this.#epoch && sequences > this.#sequence;
    demand(fromEpoch <= this.#epoch && !isLater, 'ERR_STREAM_GAP');
    const fits =
      fromEpoch === this.#epoch &&
      sequences === this.#sequence &&
      from['head'] === this.#head &&
      from['rows'] === this.#rows;
    demand(fits && !this.#final, 'ERR_OPENING_MISMATCH');
    this.#step(epoch, sequences, head, this.#rows);
  }

  compare(manifest: Members): 'reached' | 'ahead' {
    this.#checkStream(manifest);
    const [epoch, sequences] = [Number(manifest['epoch']), Number(manifest['sequences'])];
    demand(epoch >= this.#epoch, 'ERR_STREAM_EPOCH');
    if (epoch > this.#epoch || sequences > this.#sequence) {
      demand(!this.#final, 'ERR_MANIFEST_MISMATCH');
      return 'ahead';
    }
    const then = this.#heads.get(`${epoch}/${sequences}`);
    const same = !then || (then.head === manifest['head'] && then.rows === manifest['rows']);
    const final = manifest['final'] === true;
    demand(same && !(final && sequences < this.#sequence), 'ERR_MANIFEST_MISMATCH');
    this.#final ||= final;
    return 'reached';
  }
}

function hashOf(text: string): string {
  return bytesToHex(sha256(ascii(text)));
}
