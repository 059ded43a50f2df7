import { codeOf } from '@strongroom/protocol/errors';
import { expect, test } from 'vitest';
import { parseAppraisalPolicy } from './appraisal.ts';

const POLICY = {
  platform: 'amd',
  minimumTcb: { Genoa: { bootLoader: 10, tee: 0, snp: 27, microcode: 86 } },
  measurements: ['ab'.repeat(48)],
  hostData: 'cd'.repeat(32),
};

function codeFor(text: string): string | undefined {
  try {
    parseAppraisalPolicy(text);
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

test('reads a policy', () => {
  expect(parseAppraisalPolicy(JSON.stringify(POLICY))).toEqual(POLICY);
});

test.each([
  ['no JSON', '{', 'ERR_JSON_MALFORMED'],
  ['no platform', JSON.stringify({ ...POLICY, platform: undefined }), 'ERR_CONFIG_INVALID'],
  ['both platforms', JSON.stringify({ ...POLICY, platform: ['amd'] }), 'ERR_CONFIG_INVALID'],
  ['no measurement', JSON.stringify({ ...POLICY, measurements: [] }), 'ERR_CONFIG_INVALID'],
  ['an unknown member', JSON.stringify({ ...POLICY, debug: true }), 'ERR_CONFIG_INVALID'],
])('refuses %s', (_name, text, code) => {
  expect(codeFor(text)).toBe(code);
});
