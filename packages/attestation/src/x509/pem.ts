import { StrongroomError } from '@strongroom/protocol/errors';
import { CERTIFICATE_CHAIN_CHARACTERS_MAX, CERTIFICATES_MAX } from '@strongroom/protocol/limits';

const BLOCK = /^-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----(?:\n|$)/;

/**
 * PEM text (RFC 7468) to DER: certificates and line ends only, each in its one base64 spelling.
 * @throws ERR_EVIDENCE_MALFORMED, ERR_LIMIT_EXCEEDED
 */
export function parsePemCertificates(pem: string): Uint8Array[] {
  if (pem.length > CERTIFICATE_CHAIN_CHARACTERS_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'CERTIFICATE_CHAIN_CHARACTERS_MAX' });
  }
  const certificates: Uint8Array[] = [];
  let rest = withoutBlankLines(pem);
  while (rest !== '') {
    const block = BLOCK.exec(rest);
    if (!block) throw malformed('pem-form');
    certificates.push(strictBase64(block[1] ?? ''));
    if (certificates.length > CERTIFICATES_MAX) {
      throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'CERTIFICATES_MAX' });
    }
    rest = rest.slice(block[0].length);
  }
  if (certificates.length === 0) throw malformed('pem-empty');
  return certificates;
}

export function toPem(certificate: Uint8Array): string {
  const text = Buffer.from(certificate).toString('base64');
  const lines = text.match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function withoutBlankLines(pem: string): string {
  const text = pem.replaceAll('\r\n', '\n').replaceAll(/\n{2,}/g, '\n');
  return text.startsWith('\n') ? text.slice(1) : text;
}

/** Buffer.from() skips what is not base64, so the text must come back when it is written again. */
function strictBase64(text: string): Uint8Array {
  const letters = text.replaceAll('\n', '');
  const bytes = Buffer.from(letters, 'base64');
  if (bytes.toString('base64') !== letters) throw malformed('pem-base64');
  return new Uint8Array(bytes);
}

function malformed(check: string): StrongroomError {
  return new StrongroomError('ERR_EVIDENCE_MALFORMED', { check });
}
