import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { parseVcekUrl } from '@strongroom/attestation/endorsements/kds-url';
import { readEndorsement } from '@strongroom/attestation/snp/endorsement';
import { parseCertificate } from '@strongroom/attestation/x509/certificate';
import { parsePemCertificates } from '@strongroom/attestation/x509/pem';

/**
 * AMD's key distribution service and Azure's certificate cache on one port of this machine, for a
 * chain that a test made: paths, statuses and mischief of both.
 */
export interface CertificateServer {
  readonly origin: string;
  readonly thimUrl: string;
  /** Paths in the order in which they were asked for. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export type Mischief = 'busy' | 'garbage' | 'endless' | 'silent' | 'redirect' | 'not-found';

export interface CertificateServerOptions {
  /** PEM: leaf, authority, root. */
  readonly certificateChain: string;
  /** The first so many requests are answered like this. */
  readonly mischief?: readonly Mischief[];
  readonly retryAfter?: string;
  /** DER by path: `/vcek/v1/Genoa/crl`. */
  readonly revocationLists?: Readonly<Record<string, Uint8Array>>;
  /** `tcbm` of the cache's answer. */
  readonly tcbm?: string;
}

const THIM_PATH = '/metadata/THIM/amd/certification';
const ENDLESS_BYTES = 1024 * 1024;

export async function startCertificateServer(
  options: CertificateServerOptions,
): Promise<CertificateServer> {
  const requests: string[] = [];
  const mischief = [...(options.mischief ?? [])];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const trouble = mischief.shift();
    if (trouble) misbehave(trouble, response, options);
    else serve(request, response, options);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    thimUrl: `${origin}${THIM_PATH}`,
    requests,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function misbehave(
  trouble: Mischief,
  response: ServerResponse,
  { retryAfter }: CertificateServerOptions,
): void {
  if (trouble === 'silent') response.destroy();
  else if (trouble === 'garbage') response.end(Buffer.alloc(500, 'not a certificate '));
  else if (trouble === 'endless') response.end(Buffer.alloc(ENDLESS_BYTES));
  else if (trouble === 'redirect') response.writeHead(302, { location: '/elsewhere' }).end();
  else if (trouble === 'not-found') response.writeHead(404).end();
  else response.writeHead(429, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
}

function serve(
  { url = '', headers }: IncomingMessage,
  response: ServerResponse,
  { certificateChain, tcbm, revocationLists }: CertificateServerOptions,
): void {
  if (url.endsWith('/crl')) {
    const list = revocationLists?.[url];
    response.writeHead(list ? 200 : 404).end(list);
    return;
  }
  const split = certificateChain.indexOf('-----BEGIN', 1);
  const [leaf, authorities] = [certificateChain.slice(0, split), certificateChain.slice(split)];
  if (url === THIM_PATH && headers['metadata'] === 'true') {
    response.setHeader('content-type', 'application/json');
    const answer = { vcekCert: leaf, tcbm, certificateChain: authorities, cacheControl: '86400' };
    response.end(JSON.stringify(answer));
    return;
  }
  const { kind, product, der } = nameOf(leaf);
  if (url === `/${kind}/v1/${product}/cert_chain`) response.end(authorities);
  else if (url.startsWith('/vcek/v1/') && parseVcekUrl(`http://kds${url}`).product === product) {
    response.end(der);
  } else response.writeHead(url === THIM_PATH ? 400 : 404).end();
}

function nameOf(leaf: string) {
  const [der = new Uint8Array()] = parsePemCertificates(leaf);
  const certificate = parseCertificate(der);
  const kind = certificate.subject.at(-1)?.[1] === 'SEV-VLEK' ? 'vlek' : 'vcek';
  return { kind, product: readEndorsement(certificate, kind).product, der } as const;
}
