import {
  createCipheriv,
  createHash,
  createHmac,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { seed, type World } from './sealed-batch-keys.ts';
import type { VectorRecord } from './sealed-batch-vector.ts';
import { type Wrapping, wrapByHand } from './sealed-batch-wrap.ts';

/**
 * Writes sealed batches and manifests step by step with node:crypto, so that a vector can be wrong
 * in one place and right everywhere else. It shares no code with packages/sealing.
 */

export type Members = Record<string, unknown>;

export interface Crafting {
  readonly plaintext?: Uint8Array;
  /** What is encrypted for the plaintext, which the seal then calls compressed. */
  readonly frame?: Uint8Array;
  readonly secret?: Uint8Array;
  /** The data key, when not the one that follows from the secret. */
  readonly dataKey?: Uint8Array;
  readonly wrapping?: Wrapping;
  /** Members of the payload to change or add; undefined takes one away. */
  readonly seal?: Members;
  /** Members from which keys, contexts and record headers are derived, when not the payload's. */
  readonly position?: Members;
  /** The payload's text, from its canonical one. */
  readonly payload?: (text: string) => string | Uint8Array;
  /** Members of the protected header to change or add; undefined takes one away. */
  readonly header?: Members;
  readonly headerText?: (text: string) => string;
  readonly signWith?: (signed: Buffer) => Uint8Array;
  readonly signature?: (signature: Buffer, signed: Buffer) => Uint8Array;
  readonly jws?: (jws: string) => string;
  /** The ciphertext, after it was hashed and signed. */
  readonly ciphertext?: (ciphertext: Buffer) => Uint8Array;
  readonly tag?: (tag: Buffer) => Uint8Array;
  readonly record?: (record: VectorRecord) => VectorRecord;
}

export interface Crafted {
  readonly record: VectorRecord;
  readonly jws: string;
  readonly members: Members;
  readonly plaintext: Uint8Array;
  readonly accepted: string;
  readonly rows: number;
}

export const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest();
const hex = (bytes: Uint8Array | string) => sha256(bytes).toString('hex');
const base64url = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64url');

export function hkdf(key: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', info, 32));
}

export const COMMITMENT = 'strongroom/commitment/v1';

export function streamName(at: Members): string {
  return `${at['contract']} ${at['dataset']} ${at['stream']} ${at['epoch']}`;
}

export function genesis(world: World, epoch = 0): string {
  const { extract, stream } = world;
  const at = { contract: extract.id, dataset: extract.dataset.id, stream, epoch };
  return hex(`strongroom/stream/v1 ${streamName(at)}`);
}

/** GCM's ciphertext and, for additional data that may depend on it, its tag. */
export function gcm(dataKey: Uint8Array, plaintext: Uint8Array) {
  const run = (additional: Uint8Array) => {
    const cipher = createCipheriv('aes-256-gcm', dataKey, new Uint8Array(12));
    cipher.setAAD(additional);
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return { ciphertext, tag: cipher.getAuthTag() };
  };
  return {
    ciphertext: run(new Uint8Array(0)).ciphertext,
    tag: (additional: Uint8Array) => run(additional).tag,
  };
}

export const PLAINTEXT = Buffer.from('one Arrow IPC stream, as far as sealing knows');

export async function craftBatch(world: World, crafting: Crafting = {}): Promise<Crafted> {
  const { extract, stream } = world;
  const place = {
    contract: extract.id,
    dataset: extract.dataset.id,
    stream,
    epoch: 0,
    sequence: 0,
  };
  const right = { ...place, previous: genesis(world), ...given(crafting.seal) };
  const at = { ...right, ...crafting.position };
  const plaintext = crafting.plaintext ?? PLAINTEXT;
  const secret = crafting.secret ?? seed(`secret ${stream}`);
  const info = `strongroom/batch-key/v1 ${streamName(at)} ${at.sequence}`;
  const dataKey = crafting.dataKey ?? hkdf(secret, info);
  const { ciphertext, tag } = gcm(dataKey, crafting.frame ?? plaintext);
  const members: Members = without({
    v: 1,
    ...right,
    eventTime: extract.dataset.eventTime === undefined ? null : { min: 1_000, max: 2_000 },
    rows: 3,
    ...(crafting.frame && { compression: 'zstd' }),
    plaintextBytes: plaintext.length,
    ciphertextSha256: hex(ciphertext),
    commitment: base64url(hkdf(dataKey, COMMITMENT)),
    segment: await wrapByHand(extract, secret, streamName(at), crafting.wrapping),
    ...crafting.seal,
  });
  const jws = craftJws(world, 'strongroom-batch+jws', members, crafting);
  const sent = crafting.ciphertext?.(ciphertext) ?? ciphertext;
  const tagged = tag(Buffer.from(jws, 'ascii'));
  const value = Buffer.concat([sent, crafting.tag?.(tagged) ?? tagged]);
  const headers = recordHeaders(at, 'batch', `${at.sequence}`, jws);
  const record = { key: String(at.stream), headers, value: value.toString('base64') };
  return {
    record: crafting.record?.(record) ?? record,
    jws,
    members,
    plaintext,
    accepted: hex(plaintext),
    rows: Number(members['rows']),
  };
}

export async function craftManifest(world: World, crafting: Crafting = {}): Promise<Crafted> {
  const { extract, stream } = world;
  const members: Members = without({
    v: 1,
    contract: extract.id,
    dataset: extract.dataset.id,
    stream,
    epoch: 0,
    sequences: 0,
    head: genesis(world),
    rows: 0,
    watermark: extract.dataset.eventTime === undefined ? null : 5_000,
    final: false,
    ...crafting.seal,
  });
  const jws = craftJws(world, 'strongroom-manifest+jws', members, crafting);
  const at = { ...members, ...crafting.position };
  const id = `manifest.${at['sequences']}${at['final'] === true ? '.final' : ''}`;
  const headers = recordHeaders(at, 'manifest', id, jws);
  const record = { key: String(at['stream']), headers, value: '' };
  const plaintext = new Uint8Array(0);
  const made = crafting.record?.(record) ?? record;
  return { record: made, jws, members, plaintext, accepted: 'reached', rows: 0 };
}

/** An opening behind the beginning of the stream, when nothing else is said. */
export function craftOpening(world: World, crafting: Crafting = {}): Crafted {
  const continues = { epoch: 0, sequences: 0, head: genesis(world), rows: 0 };
  const members = { ...placeOf(world), epoch: 1, continues, ...crafting.seal };
  return craftWord(world, 'opening', members, () => 'opening', 'opened', crafting);
}

export function craftRetraction(world: World, crafting: Crafting = {}): Crafted {
  const members = { ...placeOf(world), ...crafting.seal };
  const idOf = (at: Members) => String(at['sequence']);
  return craftWord(world, 'retraction', members, idOf, 'retracted', crafting);
}

function placeOf({ extract, stream }: World): Members {
  return { v: 1, contract: extract.id, dataset: extract.dataset.id, stream, epoch: 0 };
}

/** A record with an empty value. */
function craftWord(
  world: World,
  type: 'opening' | 'retraction',
  given: Members,
  idOf: (at: Members) => string,
  accepted: string,
  crafting: Crafting,
): Crafted {
  const members = without(given);
  const jws = craftJws(world, `strongroom-${type}+jws`, members, crafting);
  const at: Members = { ...placeOf(world), sequence: 0, ...members, ...crafting.position };
  const headers = recordHeaders(at, type, idOf(at), jws);
  const record = { key: String(at['stream']), headers, value: '' };
  const made = crafting.record?.(record) ?? record;
  return { record: made, jws, members, plaintext: new Uint8Array(0), accepted, rows: 0 };
}

type RecordKind = 'batch' | 'manifest' | 'opening' | 'retraction';

function recordHeaders(at: Members, type: RecordKind, id: string, jws: string) {
  const word = 'application/jose';
  const content = {
    batch: 'application/vnd.apache.arrow.stream',
    ...{ manifest: word, opening: word, retraction: word },
  };
  return {
    ce_specversion: '1.0',
    ce_type: `strongroom.${type}.v1`,
    ce_source: `/contracts/${at['contract']}/datasets/${at['dataset']}`,
    ce_id: `${at['stream']}.${at['epoch']}.${id}`,
    'content-type': content[type],
    seal: jws,
  };
}

function craftJws(world: World, typ: string, members: Members, crafting: Crafting): string {
  const alg = ALGORITHMS[world.extract.owner.signingKey['crv'] ?? ''];
  const header = without({ alg, kid: world.extract.owner.id, typ, ...crafting.header });
  const headerText = Buffer.from(canonicalBytes(header)).toString();
  const payloadText = Buffer.from(canonicalBytes(members)).toString();
  const protectedHeader = base64url(crafting.headerText?.(headerText) ?? headerText);
  const payload = base64url(crafting.payload?.(payloadText) ?? payloadText);
  const signed = Buffer.from(`${protectedHeader}.${payload}`, 'ascii');
  const first = Buffer.from(crafting.signWith?.(signed) ?? signLow(world.signingKey, signed));
  const jws = `${signed}.${base64url(crafting.signature?.(first, signed) ?? first)}`;
  return crafting.jws?.(jws) ?? jws;
}

const ALGORITHMS: Record<string, string> = { Ed25519: 'EdDSA', 'P-256': 'ES256', 'P-384': 'ES384' };

export const ORDERS: Record<string, bigint> = {
  'P-256': BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  'P-384': BigInt(
    '0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  ),
};

/** Signs as the key's kind does; an ECDSA signature gets its lower s. */
export function signLow(key: KeyObject, signed: Uint8Array): Uint8Array {
  const { crv } = createPublicKey(key).export({ format: 'jwk' });
  if (crv === 'Ed25519') return sign(null, signed, key);
  const hash = crv === 'P-256' ? 'sha256' : 'sha384';
  const signature = sign(hash, signed, { key, dsaEncoding: 'ieee-p1363' });
  const twin = otherS(signature, String(crv));
  return sPart(twin) < sPart(signature) ? twin : signature;
}

const sPart = (signature: Uint8Array) =>
  BigInt(`0x${Buffer.from(signature.subarray(signature.length / 2)).toString('hex')}`);

/** The twin of an ECDSA signature: (r, n - s). */
export function otherS(signature: Uint8Array, crv: string): Buffer {
  const half = signature.length / 2;
  const s = (ORDERS[crv] ?? 0n) - sPart(signature);
  const bytes = Buffer.from(s.toString(16).padStart(half * 2, '0'), 'hex');
  return Buffer.concat([signature.subarray(0, half), bytes]);
}

export function hmacWith(key: Uint8Array | string, signed: Uint8Array): Buffer {
  return createHmac('sha256', key).update(signed).digest();
}

function given(members: Members | undefined): Members {
  return without(members ?? {});
}

/** Without the members that are undefined; a member called __proto__ stays a member. */
function without<Given extends Members>(members: Given): Given {
  const copy = { ...members };
  for (const name of Object.keys(copy)) if (copy[name] === undefined) delete copy[name];
  return copy;
}
