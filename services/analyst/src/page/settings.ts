import { AMD_ROOTS, type RootPins, RootSet } from '@strongroom/attestation/roots';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { verifyContract } from '@strongroom/sealing/verify';

/** What everything on the page is checked against. */
export interface Agreed {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /** As its file has it. */
  readonly signedContract: string;
  readonly simulatedPins?: RootPins;
}

/**
 * Asks the server for the contract, and verifies every party's signature here.
 * @throws ERR_LOG_UNREACHABLE when the server does not answer, ERR_CONTRACT_*, ERR_JSON_*
 */
export async function loadAgreed(): Promise<Agreed> {
  let settings: Record<string, unknown>;
  try {
    settings = await (await fetch('/api/settings')).json();
  } catch {
    throw new StrongroomError('ERR_LOG_UNREACHABLE', { server: location.host });
  }
  const { signedContract, simulatedPins } = settings;
  if (typeof signedContract !== 'string') throw new StrongroomError('ERR_JSON_MALFORMED');
  const { contract, contractId } = await verifyContract(parseJson(signedContract));
  const pins = isPins(simulatedPins) ? { simulatedPins } : {};
  return { contract, contractId, signedContract, ...pins };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED');
  }
}

/**
 * AMD's roots stand in this page's own code. Those of a simulated platform come from the server,
 * and count only where all parties have signed that the platform is simulated.
 */
export function rootsFor(contract: Contract, simulatedPins: RootPins = {}): RootSet {
  if (contract.enclave.platform !== 'simulated') return AMD_ROOTS;
  return new RootSet('simulated', simulatedPins);
}

function isPins(value: unknown): value is RootPins {
  return typeof value === 'object' && value !== null;
}
