import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENDORSEMENT_KINDS } from '@strongroom/protocol/enclave-demands';
import { codeOf } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { REVOCATION_LIST_BYTES_MAX } from '@strongroom/protocol/limits';
import { KDS_ORIGIN, revocationListUrl } from '../endorsements/kds-url.ts';
import type { RootSet } from '../roots.ts';
import { checkChainFields, type EndorsementChain, selectChain } from '../snp/chain.ts';
import { checkList } from '../snp/revocation.ts';
import type { VerificationClock } from '../verify.ts';
import { parsePemCertificates } from '../x509/pem.ts';
import { parseRevocationList } from '../x509/revocation-list.ts';
import { type BoundedGetOptions, boundedGet } from './bounded-get.ts';
import { readBundle, tryWrite } from './endorsement-cache.ts';

/**
 * AMD's revocation lists for whoever verifies. A list is proved against the pinned root before it
 * counts; of several that are good, the newest does, so that nobody can bring back the one before a
 * revocation. Where there is none the answer is empty, and `requireRevocationList` or the contract
 * decides what that means.
 */
export interface RevocationSource {
  /** At most one list in DER: of the root that this evidence names. Never throws for a list. */
  listsFor(evidence: Evidence): Promise<readonly Uint8Array[]>;
}

export interface RevocationSourceOptions {
  readonly roots: RootSet;
  readonly clock: VerificationClock;
  readonly stores?: readonly ListStore[];
  /** Ask nobody: the stores are all there is. */
  readonly offline?: boolean;
  readonly kdsOrigin?: string;
  readonly network?: Pick<BoundedGetOptions, 'wait' | 'spread'>;
}

/** Where lists are kept; what it says is proved by who asks. */
export interface ListStore {
  find(name: string): Promise<readonly Uint8Array[]>;
  keep(name: string, list: Uint8Array): Promise<void>;
}

/** Lists are good for months, but one that revokes should count within a day. */
const ASK_AGAIN_MS = 24 * 3_600_000;
/** After a failure: a service that is down is not asked with every request. */
const RETRY_MS = 10 * 60_000;
/** A request waits for it, so a second try is all that there is. */
const TRIES = 2;

interface Held {
  readonly askAgainAt: number;
  readonly lists: readonly Uint8Array[];
}

export function createRevocationSource(options: RevocationSourceOptions): RevocationSource {
  const held = new Map<string, Promise<Held>>();
  return {
    async listsFor(evidence) {
      const named = chainIn(evidence, options);
      if (!named) return [];
      const { name } = named;
      const pending = held.get(name);
      const before = await pending;
      // Of requests that come together one asks; the others wait for its answer.
      if (held.get(name) === pending && isOld(before, named.chain, options)) {
        held.set(name, refresh(named, before?.lists ?? [], options));
      }
      return (await held.get(name))?.lists ?? [];
    },
  };
}

/**
 * As an operator configures it.
 * @param options `cache`: folder in which lists are kept; `bundle`: file or folder of what was
 * carried in, and then nobody is asked
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID, ERR_LIMIT_EXCEEDED
 */
export async function openRevocationSource({
  cache,
  bundle,
  ...options
}: Pick<RevocationSourceOptions, 'roots' | 'clock' | 'kdsOrigin'> & {
  readonly cache?: string;
  readonly bundle?: string;
}): Promise<RevocationSource> {
  const stores = [
    ...(bundle === undefined ? [] : [await readListBundle(bundle)]),
    ...(cache === undefined ? [] : [createListCache(cache)]),
  ];
  return createRevocationSource({ ...options, stores, offline: bundle !== undefined });
}

/** Also when what was good has ended meanwhile. */
function isOld(
  before: Held | undefined,
  chain: EndorsementChain,
  options: RevocationSourceOptions,
): boolean {
  if (!before || options.clock.now() >= before.askAgainAt) return true;
  return newest(before.lists, chain, options).length < before.lists.length;
}

interface NamedChain {
  /** `vcek-Genoa` and the like. */
  readonly name: string;
  readonly signer: (typeof ENDORSEMENT_KINDS)[number];
  readonly chain: EndorsementChain;
}

/** Evidence whose chain does not end in a pinned root needs no list: verification says why. */
function chainIn(
  evidence: Evidence,
  { roots, clock }: RevocationSourceOptions,
): NamedChain | undefined {
  for (const signer of ENDORSEMENT_KINDS) {
    try {
      const chain = selectChain(parsePemCertificates(evidence.certificateChain), signer, roots);
      checkChainFields(chain, roots, clock.now());
      return { name: `${signer}-${chain.product}`, signer, chain };
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
    }
  }
  return undefined;
}

async function refresh(
  { name, signer, chain }: NamedChain,
  before: readonly Uint8Array[],
  options: RevocationSourceOptions,
): Promise<Held> {
  const { stores = [], kdsOrigin = KDS_ORIGIN, clock } = options;
  const stored = await Promise.all(stores.map((store) => store.find(name)));
  const url = revocationListUrl(signer, chain.product, kdsOrigin);
  const fetched = options.offline ? [] : await fetchList(url, options);
  const lists = newest([...fetched, ...before, ...stored.flat()], chain, options);
  const isAnswered = options.offline === true || newest(fetched, chain, options).length > 0;
  const [found] = lists;
  if (found && found === fetched[0]) for (const store of stores) await store.keep(name, found);
  return { lists, askAgainAt: clock.now() + (isAnswered ? ASK_AGAIN_MS : RETRY_MS) };
}

async function fetchList(url: string, options: RevocationSourceOptions): Promise<Uint8Array[]> {
  try {
    const bounds = {
      bytesMax: REVOCATION_LIST_BYTES_MAX,
      triesMax: TRIES,
      now: () => options.clock.now(),
    };
    const { status, body } = await boundedGet(url, { ...options.network, ...bounds });
    return status === 200 ? [body] : [];
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return [];
  }
}

/** The newest of those that are good now, alone. */
function newest(
  lists: readonly Uint8Array[],
  chain: EndorsementChain,
  { clock }: RevocationSourceOptions,
): readonly Uint8Array[] {
  const good = lists.flatMap((bytes) => {
    try {
      const list = parseRevocationList(bytes);
      checkList(list, chain, clock.now());
      return [{ bytes, thisUpdate: list.thisUpdate }];
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return [];
    }
  });
  return good
    .sort((left, right) => right.thisUpdate - left.thisUpdate)
    .slice(0, 1)
    .map(({ bytes }) => bytes);
}

/** Beside the chains of an endorsement cache, one file a root. */
export function createListCache(folder: string): ListStore {
  return {
    async find(name) {
      const bytes = await readFile(join(folder, `${name}.crl`)).catch(() => undefined);
      return bytes && bytes.length <= REVOCATION_LIST_BYTES_MAX ? [new Uint8Array(bytes)] : [];
    },
    keep: (name, list) => tryWrite(folder, `${name}.crl`, list),
  };
}

/**
 * The lists that an operator carried in, with or beside the chains.
 * @throws ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID, ERR_LIMIT_EXCEEDED
 */
export async function readListBundle(path: string): Promise<ListStore> {
  const { revocationLists = [] } = await readBundle(path);
  const lists = revocationLists.map((text) => new Uint8Array(Buffer.from(text, 'base64')));
  return { find: async () => lists, keep: async () => undefined };
}
