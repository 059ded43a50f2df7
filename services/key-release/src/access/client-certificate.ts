import { TLSSocket } from 'node:tls';
import type { Clock } from '@strongroom/runtime/clock';
import type { FastifyRequest } from 'fastify';
import { sha256 } from './access.ts';

/** What a TLS client proved to hold the private key of. */
export interface ClientCertificate {
  readonly spkiSha256: string;
  /** Attributes of the subject that occur once; one that occurs twice names nobody. */
  readonly subject: Readonly<Record<string, string>>;
  /** It chains to an authority that the configuration names. */
  readonly trusted: boolean;
  /** It is within its validity. */
  readonly current: boolean;
}

/** @returns undefined over plain HTTP and for a client that presented none */
export function clientCertificateOf(
  request: FastifyRequest,
  clock: Clock,
): ClientCertificate | undefined {
  const socket = request.raw.socket;
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (!certificate || !(socket instanceof TLSSocket)) return undefined;
  const now = clock.now();
  const attributes = Object.entries(certificate.toLegacyObject().subject ?? {});
  return {
    spkiSha256: sha256(certificate.publicKey.export({ format: 'der', type: 'spki' })),
    subject: Object.fromEntries(
      attributes.map(([name, value]) => [name, typeof value === 'string' ? value : '']),
    ),
    trusted: socket.authorized,
    current: now >= Date.parse(certificate.validFrom) && now <= Date.parse(certificate.validTo),
  };
}
