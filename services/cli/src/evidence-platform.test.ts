import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { codeOf } from '@strongroom/protocol/errors';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { expect, test, vi } from 'vitest';
import { agreedContract } from '../test/signed-contract.ts';
import { rootsFor } from './evidence-platform.ts';

test('a simulated platform has to be named twice, and hardware never is one', async () => {
  const { folder } = await sharedTestPlatform();
  const { contract } = await agreedContract();
  const hardware = { ...contract, enclave: { ...contract.enclave, platform: 'amd' as const } };
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(rootsFor(hardware, undefined)).toBe(AMD_ROOTS);
  expect(written).not.toHaveBeenCalled();
  expect(rootsFor(contract, folder).kind).toBe('simulated');
  expect(written).toHaveBeenCalledWith(expect.stringContaining('WARNING'));
  written.mockRestore();
  for (const [of, path, code] of [
    [contract, undefined, 'ERR_ROOT_KIND'],
    [hardware, folder, 'ERR_ROOT_KIND'],
    [contract, `${folder}/none`, 'ERR_FILE_UNREADABLE'],
  ] as const) {
    expect(codeOfThrown(() => rootsFor(of, path))).toBe(code);
  }
});

function codeOfThrown(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return codeOf(error);
  }
}
