import { lookup as systemLookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type KeySet, parseKeySet } from '../jwks.ts';
import { isPublicAddress } from './public-address.ts';

export interface FetchOptions {
  /** PEM of the authorities to believe instead of the system's. */
  readonly ca?: string;
  /** Addresses of a host name; the system's resolver when it is absent. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /**
   * The proxy through which alone this organisation is left. It looks names up, and what it reaches
   * is its own matter: no address is checked here.
   */
  readonly proxy?: string | undefined;
  /** For tests alone: one address that is reached although it is not public. */
  readonly testOnlyAddress?: string;
}

const KEY_SET_BYTES_MAX = 64 * 1024;
const FETCH_MS_MAX = 2_000;
const JSON_TYPES = /^application\/(?:json|jwk\+json|jwk-set\+json)(?:;|$)/;

/**
 * Fetches a key set from a URL that the configuration pins: HTTPS, one answer, no redirect, at most
 * 64 KiB in 2 s. The connection goes to the address that was checked, so that a name cannot
 * resolve to something else in between.
 * @throws ERR_CONFIG_INVALID for a URL that may not be fetched, before any packet is sent;
 * ERR_SERVICE_UNREACHABLE when there is no answer; ERR_TOKEN_INVALID when it is no key set
 */
export async function fetchJwks(text: string, options: FetchOptions = {}): Promise<KeySet> {
  const url = checkedUrl(text, options);
  const deadline = AbortSignal.timeout(FETCH_MS_MAX);
  return parseKeySet(await get(url, await wayTo(url, deadline, options), deadline, options));
}

/** How the connection is made: through the proxy, or to the address that was checked. */
async function wayTo(url: URL, deadline: AbortSignal, options: FetchOptions) {
  if (options.proxy !== undefined) {
    return { agent: new Agent({ proxyEnv: { HTTPS_PROXY: options.proxy } }) };
  }
  const addresses = await within(deadline, addressesOf(url.hostname, options));
  checkAddresses(addresses, options);
  const [address = ''] = addresses;
  const lookup: LookupFunction = (_host, how, done) => {
    const family = isIP(address);
    if (how.all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
  return { agent: false as const, lookup };
}

/** The URL must be spelled as it is read: disguises of hosts are differences between the two. */
function checkedUrl(text: string, options: FetchOptions): URL {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:') throw refused('https');
  if (url.href !== text) throw refused('spelling');
  if (url.username !== '' || url.password !== '' || url.hash !== '') throw refused('credentials');
  const host = bare(url.hostname);
  if (isIP(host) !== 0) checkAddresses([host], options);
  else if (!host.includes('.') || host.endsWith('.') || LOCAL_NAMES.test(host)) {
    throw refused('local-name');
  }
  return url;
}

/** RFC 6761, RFC 6762, RFC 8375 and what clouds use inside. */
const LOCAL_NAMES = /(?:^|\.)(?:localhost|local|internal|intranet|home\.arpa|onion|invalid|test)$/;

async function addressesOf(hostname: string, { resolve }: FetchOptions) {
  const host = bare(hostname);
  if (isIP(host) !== 0) return [host];
  if (resolve) return resolve(host);
  const found = await systemLookup(host, { all: true });
  return found.map(({ address }) => address);
}

/** One private address among public ones is enough to refuse: the choice is not ours. */
function checkAddresses(addresses: readonly string[], { testOnlyAddress }: FetchOptions): void {
  const allowed = (each: string) => each === testOnlyAddress || isPublicAddress(each);
  if (addresses.length === 0) throw unreachable('no-address');
  if (!addresses.every(allowed)) throw refused('address');
}

function get(
  url: URL,
  way: Awaited<ReturnType<typeof wayTo>>,
  signal: AbortSignal,
  { ca }: FetchOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'application/json', 'accept-encoding': 'identity' };
    const tls = ca === undefined ? {} : { ca };
    const sent = request(url, { ...way, ...tls, headers, signal, maxHeaderSize: 8_192 });
    sent.on('error', () => reject(unreachable('connection')));
    sent.on('response', (answer) => {
      readAnswer(answer).then(resolve, (error: unknown) => {
        sent.destroy();
        reject(error);
      });
    });
    sent.end();
  });
}

async function readAnswer(answer: IncomingMessage): Promise<string> {
  // A redirect is an answer like any other that is not 200.
  if (answer.statusCode !== 200) throw unreachable('status');
  if (!JSON_TYPES.test(answer.headers['content-type'] ?? '')) throw unreachable('content-type');
  if (answer.headers['content-encoding'] !== undefined) throw unreachable('content-encoding');
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > KEY_SET_BYTES_MAX) break;
    }
  } catch {
    throw unreachable('connection');
  }
  if (bytes > KEY_SET_BYTES_MAX) throw unreachable('size');
  return Buffer.concat(chunks).toString('utf8');
}

async function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(unreachable('time')), { once: true });
  try {
    return await Promise.race([work, promise]);
  } catch (error) {
    throw error instanceof StrongroomError ? error : unreachable('name');
  }
}

/** URL keeps the brackets of an IPv6 address. */
function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function refused(check: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { setting: 'jwks', check });
}

function unreachable(check: string): StrongroomError {
  return new StrongroomError('ERR_SERVICE_UNREACHABLE', { service: 'jwks', check });
}
