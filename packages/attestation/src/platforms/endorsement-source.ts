import { encodeBase64url } from '@strongroom/protocol/base64url';
import { PRODUCTS } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { chainUrl, KDS_ORIGIN, vcekUrl } from '../endorsements/kds-url.ts';
import type { Endorsed } from '../endorsements/stored-chain.ts';
import { parseThimCertificates, THIM_CHARACTERS_MAX } from '../endorsements/thim.ts';
import { parseReport, type SnpReport } from '../report.ts';
import type { RootSet } from '../roots.ts';
import { parseKeyInfo } from '../snp/policy.ts';
import { type Product, parseTcb, productOfCpu } from '../snp/tcb.ts';
import { type VerificationClock, verifyEvidence } from '../verify.ts';
import { parsePemCertificates, toPem } from '../x509/pem.ts';
import { type BoundedGetOptions, boundedGet } from './bounded-get.ts';
import type { ChainStore } from './endorsement-cache.ts';

/**
 * Where the certificates of a report come from. Every candidate is proved against the report and
 * the pinned roots before it is handed out or kept: a garbled answer costs a request, no more.
 */
export interface EndorsementSource {
  /**
   * @param report 1184 bytes
   * @param hints what the platform gave along: any of leaf, authority and root, in DER
   * @returns PEM of leaf, authority and root, which verify this very report
   * @throws ERR_ENDORSEMENT_UNAVAILABLE; ERR_REPORT_MALFORMED, ERR_REPORT_SIGNATURE when no
   * certificate could help
   */
  chainFor(report: Uint8Array, hints?: readonly Uint8Array[]): Promise<string>;
}

export interface EndorsementOptions {
  readonly roots: RootSet;
  readonly clock: VerificationClock;
  readonly stores?: readonly ChainStore[];
  /** Ask nobody: hints and stores are all there is. */
  readonly offline?: boolean;
  /** Address of Azure's certificate cache; not asked when it is absent. */
  readonly thimUrl?: string;
  readonly kdsOrigin?: string;
  readonly network?: Pick<BoundedGetOptions, 'wait' | 'spread'>;
}

/** Inside of every Azure VM; link-local, so plain HTTP. */
export const AZURE_THIM_URL = 'http://169.254.169.254/metadata/THIM/amd/certification';

const LEAF_BYTES_MAX = 8_192;
const CHAIN_BYTES_MAX = 32_768;

export function createEndorsementSource(options: EndorsementOptions): EndorsementSource {
  return { chainFor: (report, hints = []) => chainFor(report, hints, options) };
}

async function chainFor(
  report: Uint8Array,
  hints: readonly Uint8Array[],
  options: EndorsementOptions,
): Promise<string> {
  const fields = parseReport(report);
  const wanted = candidatesOf(fields);
  if (wanted.length === 0) throw unavailable('product');
  let reason = 'nobody-asked';
  for (const candidate of candidates(wanted, hints, options)) {
    const chain = await candidate().catch((error: unknown) => {
      reason = reasonOf(error);
      return undefined;
    });
    const product = chain === undefined ? undefined : proves(chain, report, options);
    if (chain === undefined || product === undefined) continue;
    const found = wanted.find((each) => each.product === product);
    if (found) for (const store of options.stores ?? []) await store.keep(found, chain);
    return chain;
  }
  throw unavailable(reason);
}

/** In a version 2 report no product is named: then each is a candidate that its chip id allows. */
function candidatesOf(fields: SnpReport): Endorsed[] {
  const signer = parseKeyInfo(fields.keyInfo)?.signingKey;
  if (signer !== 'vcek' && signer !== 'vlek') throw unavailable('not-signed');
  const named = fields.cpu ? productOfCpu(fields.cpu) : undefined;
  const products = fields.cpu ? PRODUCTS.filter((each) => each === named) : PRODUCTS;
  const { chipId, reportedTcb } = fields;
  return products
    .filter((product) => parseTcb(reportedTcb, product) !== undefined)
    .map((product) => ({ product, chipId, reportedTcb, signer }));
}

/** What costs least first. */
function* candidates(
  wanted: readonly Endorsed[],
  hints: readonly Uint8Array[],
  options: EndorsementOptions,
): Generator<() => Promise<string | undefined>> {
  if (hints.length >= 3) yield async () => hints.map(toPem).join('');
  for (const store of options.stores ?? []) {
    for (const endorsed of wanted) yield () => store.find(endorsed);
  }
  if (options.offline) return;
  const { thimUrl } = options;
  if (thimUrl !== undefined) yield () => fromThim(thimUrl, options);
  const [leaf] = hints;
  for (const endorsed of wanted) {
    if (leaf) yield () => fromKds(endorsed, leaf, options);
    yield () => fromKds(endorsed, undefined, options);
  }
}

/** @returns the product that the chain proves, or undefined when it does not prove the report */
function proves(
  certificateChain: string,
  report: Uint8Array,
  { roots, clock }: EndorsementOptions,
): Product | undefined {
  const evidence = { report: encodeBase64url(report), certificateChain, runtimeClaims: '' };
  try {
    return verifyEvidence(evidence, { roots, clock }).facts.product;
  } catch (error) {
    const code = codeOf(error);
    // The chip's own certificate at these versions does not fit: no other certificate will.
    if (code === 'ERR_REPORT_SIGNATURE' || code === 'ERR_REPORT_MALFORMED') throw error;
    if (code === undefined) throw error;
    return undefined;
  }
}

async function fromThim(url: string, options: EndorsementOptions): Promise<string> {
  const headers = { Metadata: 'true' };
  const bytesMax = THIM_CHARACTERS_MAX;
  const { status, body } = await boundedGet(url, { ...networkOf(options), headers, bytesMax });
  if (status !== 200) throw unavailable('thim-status');
  const { leaf, authorities } = parseThimCertificates(new TextDecoder().decode(body));
  return [leaf, ...authorities].map(toPem).join('');
}

/** A provider's key (VLEK) is given out to the provider alone: its leaf has to come along. */
async function fromKds(
  { product, chipId, reportedTcb, signer }: Endorsed,
  given: Uint8Array | undefined,
  options: EndorsementOptions,
): Promise<string> {
  const origin = options.kdsOrigin ?? KDS_ORIGIN;
  const tcb = parseTcb(reportedTcb, product);
  if (!tcb) throw unavailable('tcb');
  if (signer === 'vlek' && !given) throw unavailable('vlek-not-supplied');
  const get = async (url: string, bytesMax: number) => {
    const answer = await boundedGet(url, { ...networkOf(options), bytesMax });
    if (answer.status !== 200) throw unavailable(`kds-status-${answer.status}`);
    return answer.body;
  };
  const leaf = given ?? (await get(vcekUrl({ product, chipId, tcb }, origin), LEAF_BYTES_MAX));
  const authorities = await get(chainUrl(signer, product, origin), CHAIN_BYTES_MAX);
  const certificates = parsePemCertificates(new TextDecoder().decode(authorities));
  return [leaf, ...certificates].map(toPem).join('');
}

function networkOf({ network, clock }: EndorsementOptions) {
  return { ...network, now: () => clock.now() };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof StrongroomError)) throw error;
  const check = error.facts['check'];
  return typeof check === 'string' ? check : error.code;
}

function unavailable(check: string): StrongroomError {
  return new StrongroomError('ERR_ENDORSEMENT_UNAVAILABLE', { check });
}
