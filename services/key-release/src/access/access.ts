import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ClientCertificate } from './client-certificate.ts';
import type { BearerVerifier } from './oidc.ts';

/**
 * Who may do what. A worker that may release changes nothing, an administrator releases nothing, an
 * auditor reads the log and no more. No right reads a private key: there is no route that could.
 */
export const RIGHTS = ['release', 'administer', 'audit'] as const;
export type Right = (typeof RIGHTS)[number];

export interface Caller {
  /** As the configuration names it: in the audit log, and the one that a rate limit counts. */
  readonly name: string;
  readonly rights: readonly Right[];
}

/** By what a caller is known: exactly one of three. */
export interface CallerRule extends Caller {
  readonly tokenSha256?: string;
  readonly oidc?: OidcRule;
  readonly certificate?: CertificateRule;
}

interface OidcRule {
  readonly issuer: string;
  readonly subject: string;
  /** Each has to be a claim of the token with this value, or a list that holds it. */
  readonly claims?: Readonly<Record<string, string>>;
}

interface CertificateRule {
  readonly spkiSha256?: string;
  /** Attributes of the subject; all of them, and only with a chain to a named authority. */
  readonly subject?: Readonly<Record<string, string>>;
}

interface Credentials {
  readonly authorization: string | undefined;
  readonly certificate: ClientCertificate | undefined;
}

export interface Access {
  /** @throws ERR_UNAUTHENTICATED, ERR_SERVICE_UNREACHABLE (the keys of an issuer of tokens) */
  identify(credentials: Credentials): Promise<Caller>;
}

/**
 * A known certificate decides: Azure's client sends some token in any case, for it knows of no
 * other way. Rights of several rules that match add up.
 */
export function createAccess(rules: readonly CallerRule[], verifyBearer: BearerVerifier): Access {
  return {
    identify: async ({ authorization, certificate }) => {
      const byCertificate = certificate ? callerOf(rules, certifies(certificate)) : undefined;
      if (byCertificate) return byCertificate;
      // RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1).
      const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw new StrongroomError('ERR_UNAUTHENTICATED');
      const byToken = callerOf(rules, holds(token));
      if (byToken) return byToken;
      const identity = await verifyBearer(token);
      const byIdentity = callerOf(rules, ({ oidc }) => oidc !== undefined && fits(oidc, identity));
      if (byIdentity) return byIdentity;
      throw new StrongroomError('ERR_UNAUTHENTICATED', { check: 'subject' });
    },
  };
}

/** @throws ERR_RIGHT_MISSING */
export function demandRight({ rights }: Caller, right: Right): void {
  if (!rights.includes(right)) throw new StrongroomError('ERR_RIGHT_MISSING', { right });
}

/** Every rule is tried, so that the time tells neither whether nor which one matched. */
function callerOf(
  rules: readonly CallerRule[],
  matches: (rule: CallerRule) => boolean,
): Caller | undefined {
  const matching = rules.filter(matches);
  const name = matching[0]?.name;
  return name === undefined ? undefined : { name, rights: matching.flatMap((each) => each.rights) };
}

function holds(token: string) {
  const digest = sha256(token);
  return ({ tokenSha256 }: CallerRule) => tokenSha256 !== undefined && same(tokenSha256, digest);
}

function certifies(presented: ClientCertificate) {
  return ({ certificate: rule }: CallerRule): boolean => {
    if (!rule || !presented.current) return false;
    if (rule.spkiSha256 !== undefined) return same(rule.spkiSha256, presented.spkiSha256);
    const wanted = Object.entries(rule.subject ?? {});
    const all = wanted.length === Object.keys(presented.subject).length && wanted.length > 0;
    const equal = wanted.every(([name, value]) => presented.subject[name] === value);
    return presented.trusted && all && equal;
  };
}

function fits(rule: OidcRule, { issuer, claims }: Awaited<ReturnType<BearerVerifier>>): boolean {
  if (rule.issuer !== issuer || rule.subject !== claims['sub']) return false;
  return Object.entries(rule.claims ?? {}).every(([name, value]) => {
    const found = claims[name];
    return Array.isArray(found) ? found.includes(value) : found === value;
  });
}

/** Both are hex of SHA-256, so they are equally long. */
function same(left: string, right: string): boolean {
  return timingSafeEqual(Buffer.from(left, 'hex'), Buffer.from(right, 'hex'));
}

export function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}

/**
 * The challenge that Azure's clients wait for before they send a body or a token. They accept a
 * resource whose host is a parent of the vault's host; a name without a parent answers with itself,
 * and its clients must turn that check off.
 */
export function challengeOf(baseUrl: string, owner: string): string {
  const { host, hostname, protocol } = new URL(baseUrl);
  const labels = hostname.split('.');
  const hasParent = labels.length > 2 && isIP(hostname.replace(/[[\]]/g, '')) === 0;
  const resource = hasParent ? labels.slice(1).join('.') : host;
  return `Bearer authorization="${baseUrl}/${owner}", resource="${protocol}//${resource}"`;
}
