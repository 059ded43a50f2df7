import {
  constants,
  createCipheriv,
  createDecipheriv,
  publicEncrypt,
  randomBytes,
  webcrypto,
} from 'node:crypto';
import { DuckDBInstance } from '@duckdb/node-api';
import type { LogEntry, LogRecord, RecordLog } from '@strongroom/record-log/log';
import { ORDER_HOUR_MS } from './orders.ts';

/**
 * An envelope a message: each row is one AES-256-GCM message whose key is wrapped by RSA-OAEP with
 * the consumer's key, as demonstrations of Kafka for confidential containers have it. RSA-2048 is
 * the smaller, faster of the usual sizes, and rows are unwrapped on all of Node's threads.
 */

const ROWS_PER_APPEND = 1_000;
const OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' };
const WRAPPED_BYTES = 256;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const AT_ONCE = 64;

interface Order {
  readonly qty: number;
  readonly price: number | null;
  readonly region: string;
  readonly category: string;
  readonly at: number;
}

/** @returns rows/s of the consumer over what is already on the log */
export async function envelopeSpeed(log: RecordLog, source: string, rows: number) {
  const orders = await firstOrders(source, rows);
  const keys = await webcrypto.subtle.generateKey(
    { ...OAEP, modulusLength: WRAPPED_BYTES * 8, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ['encrypt', 'decrypt'],
  );
  const spki = Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  const topic = 'envelopes';
  await log.createTopics([{ topic }]);
  for (let from = 0; from < orders.length; from += ROWS_PER_APPEND) {
    const records = orders.slice(from, from + ROWS_PER_APPEND).map((row) => seal(row, spki));
    await log.append(topic, records);
  }
  const began = performance.now();
  const groups = await aggregate(log, topic, keys.privateKey);
  const seconds = (performance.now() - began) / 1_000;
  if (fingerprint(groups) !== fingerprint(count(orders))) throw new Error('aggregates differ');
  return orders.length / seconds;
}

async function firstOrders(source: string, rows: number): Promise<Order[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const sql = `SELECT id::DOUBLE AS id, qty::DOUBLE AS qty, price, region, category,
      epoch_ms("at")::DOUBLE AS at FROM '${source}' ORDER BY id LIMIT ${rows}`;
    return (await connection.runAndReadAll(sql)).getRowObjects() as unknown as Order[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function seal(row: Order, spki: Buffer): LogRecord {
  const key = randomBytes(KEY_BYTES);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const text = [cipher.update(JSON.stringify(row)), cipher.final()];
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const to = { key: spki, format: 'der', type: 'spki', padding, oaepHash: 'sha256' } as const;
  const wrapped = publicEncrypt(to, key);
  const value = Buffer.concat([wrapped, iv, cipher.getAuthTag(), ...text]);
  return { key: null, value, headers: {} };
}

type Groups = Map<string, { orders: number; qty: number; price: number; prices: number }>;

async function aggregate(log: RecordLog, topic: string, key: webcrypto.CryptoKey) {
  const groups: Groups = new Map();
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (let from = 0; from < entries.length; from += AT_ONCE) {
      const some = entries.slice(from, from + AT_ONCE);
      for (const row of await Promise.all(some.map((entry) => open(entry, key)))) add(groups, row);
    }
  }
  return groups;
}

async function open({ value }: LogEntry, key: webcrypto.CryptoKey): Promise<Order> {
  const at = (offset: number, length: number) => value.subarray(offset, offset + length);
  const wrapped = new Uint8Array(at(0, WRAPPED_BYTES));
  const rowKey = new Uint8Array(await webcrypto.subtle.decrypt(OAEP, key, wrapped));
  const decipher = createDecipheriv('aes-256-gcm', rowKey, at(WRAPPED_BYTES, IV_BYTES));
  decipher.setAuthTag(at(WRAPPED_BYTES + IV_BYTES, TAG_BYTES));
  const sealed = value.subarray(WRAPPED_BYTES + IV_BYTES + TAG_BYTES);
  return JSON.parse(`${decipher.update(sealed, undefined, 'utf8')}${decipher.final('utf8')}`);
}

function count(orders: readonly Order[]): Groups {
  const groups: Groups = new Map();
  for (const order of orders) add(groups, order);
  return groups;
}

function add(groups: Groups, { qty, price, region, category, at }: Order): void {
  const name = `${Math.floor(at / ORDER_HOUR_MS)} ${region} ${category}`;
  const group = groups.get(name) ?? { orders: 0, qty: 0, price: 0, prices: 0 };
  group.orders += 1;
  group.qty += qty;
  group.price += price ?? 0;
  group.prices += price === null ? 0 : 1;
  groups.set(name, group);
}

function fingerprint(groups: Groups): string {
  return JSON.stringify([...groups].sort(([left], [right]) => (left < right ? -1 : 1)));
}
