import { codeOf } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { chainUrl, parseVcekUrl, revocationListUrl, vcekUrl } from './kds-url.ts';

const chipId = Uint8Array.from({ length: 64 }, (_, index) => index);
const turinId = Uint8Array.from({ length: 64 }, (_, index) => (index < 8 ? index + 1 : 0));
const tcb = { fmc: null, bootLoader: 4, tee: 0, snp: 24, microcode: 219 };

describe("addresses of AMD's key distribution service", () => {
  test('Milan and Genoa: 128 digits and four versions', () => {
    const id = Buffer.from(chipId).toString('hex');
    for (const product of ['Milan', 'Genoa'] as const) {
      expect(vcekUrl({ product, chipId, tcb })).toBe(
        `https://kdsintf.amd.com/vcek/v1/${product}/${id}?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219`,
      );
    }
  });

  test('Turin: 16 digits, and the FMC in front', () => {
    const turin = { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 };
    const url = vcekUrl({ product: 'Turin', chipId: turinId, tcb: turin });
    expect(url).toBe(
      'https://kdsintf.amd.com/vcek/v1/Turin/0102030405060708?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81',
    );
    expect(parseVcekUrl(url)).toEqual({ product: 'Turin', chipId: turinId, tcb: turin });
  });

  test('chains and revocation lists of both kinds of keys', () => {
    expect(chainUrl('vlek', 'Genoa')).toBe('https://kdsintf.amd.com/vlek/v1/Genoa/cert_chain');
    expect(revocationListUrl('vcek', 'Milan')).toBe('https://kdsintf.amd.com/vcek/v1/Milan/crl');
  });

  const good = vcekUrl({ product: 'Milan', chipId, tcb });

  test('two digits are another spelling of the same number', () => {
    expect(parseVcekUrl(good.replace('blSPL=4', 'blSPL=04')).tcb).toEqual(tcb);
  });

  test.each([
    ['no address', 'kdsintf'],
    ['another path', good.replace('/v1/', '/v2/')],
    ['an unknown product', good.replace('Milan', 'Rome')],
    ['a chip id of another length', good.replace('00010203', '0001')],
    ['upper case', good.replace('0a0b0c', '0A0B0C')],
    ['a missing parameter', good.replace('&teeSPL=0', '')],
    ['a repeated parameter', `${good}&teeSPL=0`],
    ['a repeated one in the place of another', good.replace('snpSPL=24', 'blSPL=4')],
    ['an unknown parameter', good.replace('teeSPL', 'tee')],
    ['the FMC of a Turin', `${good}&fmcSPL=1`],
    ['a negative version', good.replace('snpSPL=24', 'snpSPL=-24')],
    ['a version beyond a byte', good.replace('ucodeSPL=219', 'ucodeSPL=256')],
    ['a version with a fraction', good.replace('ucodeSPL=219', 'ucodeSPL=2.0')],
    ['no version', good.replace('ucodeSPL=219', 'ucodeSPL=')],
  ])('refuses %s', (_name, url) => {
    try {
      parseVcekUrl(url);
      expect.fail('it was taken');
    } catch (error) {
      expect(codeOf(error)).toBe('ERR_REQUEST_INVALID');
    }
  });
});
