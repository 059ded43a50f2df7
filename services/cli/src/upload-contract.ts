import type { SignedContract } from '@strongroom/protocol/contract';
import { askService } from './owner-service.ts';
import type { VaultOptions } from './vault-client.ts';

/**
 * Gives a key release service the contract that it has to hold raw evidence to: a route that Azure
 * Key Vault does not have, and refuses.
 * @throws ERR_SERVICE_UNREACHABLE, or the service's own code
 */
export async function uploadContract(
  vault: VaultOptions,
  contractId: string,
  signed: SignedContract,
): Promise<void> {
  await askService(vault, { method: 'PUT', path: `/contracts/${contractId}`, body: signed });
}
