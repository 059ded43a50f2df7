import { expect, test } from 'vitest';
import { launchMeasurementOf, platformKindOf } from './token-facts.ts';

const token = (type: unknown, platform?: string, inner?: unknown) => ({
  'x-ms-attestation-type': type,
  ...(platform === undefined ? {} : { 'x-strongroom-platform': platform }),
  ...(inner === undefined ? {} : { 'x-ms-isolation-tee': { 'x-ms-attestation-type': inner } }),
});

test.each([
  ['amd', token('sevsnpvm')],
  ['amd', token('sevsnpvm', 'amd')],
  ['amd', token('azurevm', undefined, 'sevsnpvm')],
  ['simulated', token('sevsnpvm-simulated', 'simulated')],
  ['simulated', token('azurevm-simulated', 'simulated', 'sevsnpvm-simulated')],
  ['mixed', token('sevsnpvm', 'simulated')],
  ['mixed', token('sevsnpvm-simulated')],
  ['mixed', token('sevsnpvm-simulated', 'amd')],
  ['mixed', token('azurevm', 'amd', 'sevsnpvm-simulated')],
  ['mixed', token('azurevm-simulated', 'simulated', 'sevsnpvm')],
  ['mixed', token('azurevm-simulated', 'simulated', 7)],
  ['mixed', token('azurevm', 'amd', null)],
  ['mixed', token('sevsnpvm', 'other')],
  ['mixed', token(undefined)],
  ['mixed', token(['sevsnpvm'])],
])('a token is about %s: %j', (kind, claims) => {
  expect(platformKindOf(claims)).toBe(kind);
});

test('a confidential VM has its measurement one level down, and there alone', () => {
  const [own, inner] = ['a', 'b'].map((each) => ({ 'x-ms-sevsnpvm-launchmeasurement': each }));
  expect(launchMeasurementOf({ ...own })).toBe('a');
  expect(launchMeasurementOf({ ...own, 'x-ms-isolation-tee': inner })).toBe('b');
  expect(launchMeasurementOf({ ...own, 'x-ms-isolation-tee': {} })).toBeUndefined();
});
