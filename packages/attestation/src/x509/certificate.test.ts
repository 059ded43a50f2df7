import { generateKeyPairSync } from 'node:crypto';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { parseCertificate } from './certificate.ts';
import { toPem } from './pem.ts';
import { writeRsaCertificate } from './write-certificate.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const NAME = [['CN', 'test']] as const;
const GOOD = writeRsaCertificate(
  {
    serial: Uint8Array.of(0),
    issuer: NAME,
    subject: NAME,
    notBefore: 0,
    notAfter: 1e12,
    spki: publicKey.export({ format: 'der', type: 'spki' }),
    extensions: new Map([
      ['1.2.3.4', { critical: true, value: Uint8Array.of(5, 0) }],
      ['1.2.3.5', { critical: false, value: Uint8Array.of(5, 0) }],
    ]),
  },
  privateKey,
);

/** The certificate with the last occurrence of some bytes replaced by as many others. */
function replaced(from: string, to: string): Uint8Array {
  const bytes = Buffer.from(GOOD);
  const at = bytes.lastIndexOf(Buffer.from(from.replaceAll(' ', ''), 'hex'));
  expect(at).toBeGreaterThan(-1);
  Buffer.from(to.replaceAll(' ', ''), 'hex').copy(bytes, at);
  return new Uint8Array(bytes);
}

function problemOf(bytes: Uint8Array): unknown {
  try {
    parseCertificate(bytes);
  } catch (error) {
    expect(codeOf(error)).toBe('ERR_CERTIFICATE_CHAIN');
    return error instanceof StrongroomError ? error.facts['problem'] : undefined;
  }
  return 'accepted';
}

describe('certificate', () => {
  test('is read as it was written', () => {
    const certificate = parseCertificate(GOOD);
    expect(certificate).toMatchObject({ subject: NAME, notBefore: 0, notAfter: 1e12 });
    expect([...certificate.serial]).toEqual([0]);
    expect(certificate.extensions.get('1.2.3.4')?.critical).toBe(true);
    expect(certificate.extensions.get('1.2.3.5')?.critical).toBe(false);
  });

  test.each([
    ['version 2', replaced('a0 03 02 01 02', 'a0 03 02 01 01'), 'certificate version is not 3'],
    ['one extension twice', replaced('2a 03 05', '2a 03 04'), 'extension occurs twice'],
    ['a critical flag of 1', replaced('01 01 ff', '01 01 01'), 'critical flag is not TRUE'],
    ['a critical flag of 0', replaced('01 01 ff', '01 01 00'), 'critical flag is not TRUE'],
    [
      'unused bits in its signature',
      replaced('03 82 01 01 00', '03 82 01 01 01'),
      'BIT STRING with unused bits',
    ],
    [
      'another algorithm inside than outside',
      replaced('2a 86 48 86 f7 0d 01 01 0b', '2a 86 48 86 f7 0d 01 01 0c'),
      'two signature algorithms',
    ],
    [
      'a name that is not UTF-8',
      replaced('0c 04 74 65 73 74', '0c 04 ff 65 73 74'),
      'text is not UTF-8',
    ],
    ['a byte behind it', Uint8Array.of(...GOOD, 0), 'trailing bytes'],
    ['PEM text behind it', Uint8Array.of(...GOOD, ...Buffer.from(toPem(GOOD))), 'trailing bytes'],
    ['PEM text instead of it', new Uint8Array(Buffer.from(toPem(GOOD))), 'expected tag 48'],
    ['nothing in it', new Uint8Array(0), 'expected tag 48'],
  ])('is refused with %s', (_name, bytes, problem) => {
    expect(problemOf(bytes)).toBe(problem);
  });

  test('cut anywhere is refused', () => {
    for (let length = 0; length < GOOD.length; length += 1) {
      expect(problemOf(GOOD.subarray(0, length))).not.toBe('accepted');
    }
  });
});
