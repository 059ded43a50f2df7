import { StrongroomError } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { type GuestRequest, parseGuestRequest, writeGuestRequest } from './guest-request.ts';

const REQUEST: GuestRequest = {
  evidence: {
    hclReport: new Uint8Array([1, 2, 3]),
    quote: { message: new Uint8Array([4]), signature: new Uint8Array([5]) },
    pcrs: Array.from({ length: 24 }, (_, index) => new Uint8Array(32).fill(index)),
    aikCertificate: new Uint8Array([6]),
  },
  certificateChain: '-----BEGIN CERTIFICATE-----',
  bound: { runtimeData: new TextEncoder().encode('{}'), dataType: 'JSON' },
  nonce: 'n',
};
const BODY = writeGuestRequest(REQUEST);

function checkOf(body: unknown): unknown {
  try {
    parseGuestRequest(body);
  } catch (error) {
    return error instanceof StrongroomError ? `${error.code} ${error.facts['check']}` : error;
  }
  return undefined;
}

/** The body with another attestationInfo. */
function withInfo(change: (info: Record<string, unknown>) => void): unknown {
  const info = JSON.parse(Buffer.from(BODY.attestationInfo, 'base64url').toString());
  change(info);
  return { ...BODY, attestationInfo: Buffer.from(JSON.stringify(info)).toString('base64url') };
}

describe("the body of a confidential VM's request", () => {
  test('comes back as it was written, with runtime data or with a challenge', () => {
    expect(parseGuestRequest(BODY)).toEqual(REQUEST);
    const challenged = { ...REQUEST, bound: { challenge: new Uint8Array([9]) } };
    expect(parseGuestRequest(writeGuestRequest(challenged))).toEqual(challenged);
    const { nonce: _, ...anonymous } = REQUEST;
    expect(parseGuestRequest(writeGuestRequest(anonymous))).toEqual(anonymous);
  });

  test.each([
    ['no object', [], 'body'],
    ['no evidence', { ...BODY, attestationInfo: undefined }, 'body.attestationInfo'],
    ['evidence that is no JSON', { ...BODY, attestationInfo: 'AAAA' }, 'attestationInfo'],
    ['padding', { ...BODY, attestationInfo: 'AA==' }, 'body.attestationInfo'],
    ['two bindings', { ...BODY, challenge: 'AA' }, 'body.runtimeData'],
    ['an unknown member', { ...BODY, tcgLog: '' }, 'body'],
    ['a nonce without end', { ...BODY, nonce: 'n'.repeat(257) }, 'body.nonce'],
    [
      'a PCR too few',
      withInfo((info) => (info['pcrs'] = Array(23).fill('A'.repeat(43)))),
      'attestationInfo.pcrs',
    ],
    [
      'a short PCR',
      withInfo((info) => (info['pcrs'] = Array(24).fill('AAAA'))),
      'attestationInfo.pcrs.0',
    ],
    ['no quote', withInfo((info) => delete info['quote']), 'attestationInfo.quote'],
  ])('is refused with %s', (_name, body, check) => {
    expect(checkOf(body)).toBe(`ERR_EVIDENCE_MALFORMED ${check}`);
  });

  test('is refused without a binding, or with a challenge that no quote can hold', () => {
    const { runtimeData: _, ...unbound } = { runtimeData: undefined, ...BODY };
    expect(checkOf(unbound)).toBe('ERR_EVIDENCE_MALFORMED body.runtimeData');
    expect(checkOf({ ...unbound, challenge: 'A'.repeat(88) })).toBe(
      'ERR_EVIDENCE_MALFORMED body.challenge',
    );
  });

  test('is refused when a member occurs twice', () => {
    const twice = '{"hclReport":"AA","hclReport":"AQ"}';
    const attestationInfo = Buffer.from(twice).toString('base64url');
    expect(checkOf({ ...BODY, attestationInfo })).toBe('ERR_EVIDENCE_MALFORMED repeated-member');
  });
});
