import { SIMULATED_WARNING, simulatedRoots } from '@strongroom/attestation/insecure';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { printNotice } from './leaf-command.ts';

/**
 * Whose evidence is believed. A simulated platform has to be named twice: by the contract that all
 * parties signed, and by whoever asks.
 * @throws ERR_ROOT_KIND when only one of them names it, ERR_FILE_UNREADABLE, ERR_CONFIG_INVALID
 */
export function rootsFor({ enclave }: Contract, simulated: string | undefined): RootSet {
  const isSimulated = enclave.platform === 'simulated';
  if (isSimulated !== (simulated !== undefined)) {
    throw new StrongroomError('ERR_ROOT_KIND', {
      expected: enclave.platform,
      option: `--simulated-roots ${isSimulated ? 'is missing' : 'is not for this contract'}`,
    });
  }
  if (simulated === undefined) return AMD_ROOTS;
  printNotice(`WARNING: ${SIMULATED_WARNING}`);
  return simulatedRoots(simulated);
}
