import type { Contract } from '@strongroom/protocol/contract';
import { z } from 'zod';
import { lasting, lastingText } from './certificate.ts';
import { type Finding, fail, ok, skip, warn } from './checks.ts';
import { judgeClock } from './judge-clock.ts';
import { type Answer, type ProbeOptions, probe } from './probe-url.ts';

/** A service of the contract, and the public keys by which it is believed. */
export interface ExpectedService {
  readonly label: string;
  readonly url: string;
  /** Where it shows its keys. */
  readonly path: '/.well-known/strongroom' | '/certs';
  readonly pinned: readonly { readonly kty: string }[];
}

export function servicesOf(contract: Contract): ExpectedService[] {
  const owners = contract.parties.flatMap(({ id, keyRelease }): ExpectedService[] => {
    if (!keyRelease) return [];
    const { url, releaseKey, lease } = keyRelease;
    const own = { path: '/.well-known/strongroom' as const };
    const keys = { ...own, label: `key release of ${id}`, url, pinned: [releaseKey] };
    if (!lease || lease.url === url) return [keys];
    return [
      keys,
      { ...own, label: `lease of ${id}`, url: lease.url, pinned: [lease.statementKey] },
    ];
  });
  const authorities = contract.enclave.authorities.map(({ issuer, keys }): ExpectedService => {
    return { label: `attestation ${issuer}`, url: issuer, path: '/certs', pinned: keys };
  });
  return [...owners, ...authorities];
}

/** What is found of all services, and of their clocks. */
export async function checkServices(
  services: readonly ExpectedService[],
  options: ProbeOptions,
): Promise<{ services: Finding[]; clocks: Finding[] }> {
  const asked = await Promise.all(
    services.map(async (service) => {
      const url = URL.parse(`${service.url.replace(/\/$/, '')}${service.path}`);
      return { service, answer: url === null ? undefined : await probe(url, options) };
    }),
  );
  const now = options.clock.now();
  return {
    services: asked.flatMap(({ service, answer }) => judgeService(service, answer, now)),
    clocks: asked.flatMap(({ service, answer }) => clockOf(service.label, answer)),
  };
}

export function judgeService(
  service: ExpectedService,
  answer: Answer | undefined,
  now: number,
): Finding[] {
  const { label, url } = service;
  if (!answer) return [fail('service-reachable', `${label}: nobody answers at ${url}`)];
  const reached = ok('service-reachable', `${label}: ${url} answers`);
  if (!answer.tls) {
    return [
      reached,
      fail('service-tls', `${label}: ${url} has no TLS`),
      identityOf(service, answer),
    ];
  }
  const { problem, from, to } = answer.tls;
  const state = lasting(from, to, now);
  const expiry = `${label}: ${lastingText(state, to, now)}`;
  const lasts = state === 'in-force' ? ok : state === 'soon' ? warn : fail;
  const tls = problem
    ? fail('service-tls', `${label}: not trusted here, ${problem}`)
    : ok('service-tls', `${label}: trusted, and for its name`);
  // Whoever is not trusted may say anything.
  const identity = problem
    ? skip('service-identity', `${label}: not asked, since it is not trusted`)
    : identityOf(service, answer);
  return [reached, tls, lasts('certificate-expiry', expiry), identity];
}

const OwnerSchema = z.looseObject({ releaseKey: z.looseObject({}) });
const KeySetSchema = z.looseObject({ keys: z.array(z.looseObject({})) });

function identityOf({ label, path, pinned }: ExpectedService, answer: Answer): Finding {
  const code = 'service-identity';
  const document = parseJson(answer.body);
  const shown =
    path === '/certs'
      ? KeySetSchema.safeParse(document).data?.keys
      : OwnerSchema.safeParse(document).data && [OwnerSchema.parse(document).releaseKey];
  if (answer.status !== 200 || !shown) {
    return warn(code, `${label}: shows no keys at ${path} (status ${answer.status})`);
  }
  const unseen = pinned.filter((each) => !shown.some((key) => isSameKey(each, key)));
  if (unseen.length === 0) return ok(code, `${label}: its keys are the contract's`);
  return fail(code, `${label}: ${unseen.length} of the contract's keys is not shown`);
}

/** All members that make up the pinned key; a key set says more of it. */
function isSameKey(pinned: object, shown: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(pinned).every(([member, value]) => shown[member] === value);
}

function clockOf(label: string, answer: Answer | undefined): Finding[] {
  if (answer?.aheadMs === undefined) return [];
  return [judgeClock('clock-http', label, answer.aheadMs)];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
