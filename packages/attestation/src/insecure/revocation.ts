import { createPrivateKey } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { RootSet } from '../roots.ts';
import type { Product } from '../snp/tcb.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { parsePemCertificates } from '../x509/pem.ts';
import { writeRevocationList } from '../x509/write-revocation-list.ts';
import type { Deployment } from './deployment.ts';

/** Lists in the form of those at kdsintf.amd.com/vcek/v1/<product>/crl, by a simulated root. */
export interface RevocationOptions {
  /** Whose certificates are on it; nobody's unless said otherwise. */
  readonly revoked?: readonly ('ark' | 'ask' | 'asvk')[];
  /** Milliseconds since 1970; a list is good as long as its deployment unless said otherwise. */
  readonly thisUpdate?: number;
  readonly nextUpdate?: number;
  /** Signed by the ASK, which may not sign lists. */
  readonly signedByAsk?: boolean;
}

const NAMES = new RootSet('simulated', {}).names;

/** @throws ERR_CONFIG_INVALID when the deployment has no such product */
export function writeSimulatedList(
  deployment: Deployment,
  product: Product,
  options: RevocationOptions = {},
): Uint8Array {
  const authorities = deployment.products[product];
  if (!authorities) throw new StrongroomError('ERR_CONFIG_INVALID', { product });
  const revoked = (options.revoked ?? []).flatMap((role) =>
    parsePemCertificates(authorities[role]?.certificate ?? '').map(
      (certificate) => parseCertificate(certificate).serial,
    ),
  );
  const signer = options.signedByAsk ? authorities.ask : authorities.ark;
  return writeRevocationList(
    {
      issuer: NAMES.ark(product),
      thisUpdate: options.thisUpdate ?? deployment.notBefore,
      nextUpdate: options.nextUpdate ?? deployment.notAfter,
      revoked,
    },
    createPrivateKey(signer.privateKey),
  );
}
