import { createJwksSource } from '@strongroom/attestation/platforms/jwks-source';
import type { Clock } from '@strongroom/runtime/clock';
import { readTextFile } from '@strongroom/runtime/files';
import { proxyFrom } from '@strongroom/runtime/proxy';
import { jwksUrlsOf } from '../requester/authorities.ts';
import type { Settings } from '../settings.ts';
import { createAccess, type Right } from './access.ts';
import { NO_ACCESS_FILE, parseAccessFile, parseTokenFile } from './access-file.ts';
import { createGuards, type Guards } from './guard.ts';
import { createBearerVerifier } from './oidc.ts';
import { createRateLimit } from './rate-limit.ts';

type AccessSettings = Pick<
  Settings,
  'access' | 'accessTokenFile' | 'adminTokenFile' | 'auditTokenFile'
>;

export interface ReadAccess {
  readonly guards: Guards;
  /** Present when some caller is known by a certificate; `ca` for those known by its subject. */
  readonly clientCertificates: { readonly ca: string | undefined } | undefined;
}

/** Who may call: the holders of the tokens of the token files, and whom the access file names. */
export async function readAccess(settings: AccessSettings, clock: Clock): Promise<ReadAccess> {
  const file =
    settings.access === undefined
      ? NO_ACCESS_FILE
      : parseAccessFile(await readTextFile(settings.access));
  const { callers, issuers, rate, certificateAuthorities } = file;
  const rules = [
    ...(await readTokens(settings.accessTokenFile, 'access-token-file', 'release')),
    ...(await readTokens(settings.adminTokenFile, 'admin-token-file', 'administer')),
    ...(await readTokens(settings.auditTokenFile, 'audit-token-file', 'audit')),
    ...callers,
  ];
  const jwks = createJwksSource({
    urls: jwksUrlsOf(issuers),
    clock,
    proxy: proxyFrom().HTTPS_PROXY,
  });
  const access = createAccess(rules, createBearerVerifier({ issuers, jwks, clock }));
  const guards = createGuards({ access, rateLimit: createRateLimit({ ...rate, clock }), clock });
  const wanted = callers.some(({ certificate }) => certificate !== undefined);
  return { guards, clientCertificates: wanted ? { ca: certificateAuthorities } : undefined };
}

async function readTokens(path: string | undefined, setting: string, right: Right) {
  return path === undefined ? [] : parseTokenFile(await readTextFile(path), setting, right);
}
