import {
  addRevocationOptions,
  openRevocation,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import type { RootSet } from '@strongroom/attestation/roots';
import type { Revocation } from '@strongroom/attestation/verify';
import type { Contract } from '@strongroom/protocol/contract';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { type Clock, systemClock } from '@strongroom/runtime/clock';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { parseIdentity } from '@strongroom/sealing/identity';
import type { SecretReader } from '@strongroom/sealing/open-use';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { rootsFor } from './evidence-platform.ts';
import { brokersOption, kafkaConfigOption } from './option-values.ts';

/** Options and connection of commands that read what was sealed to an owner. */

export interface OwnerLogOptions extends RevocationSettings {
  readonly contract: string;
  readonly identity: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace: string;
  readonly simulatedRoots?: string;
}

export function addOwnerLogOptions(command: Command): Command {
  command
    .requiredOption('--contract <file>', 'signed contract')
    .requiredOption('--identity <file>', 'identity file with the reading key')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--simulated-roots <file>', 'public roots of a SIMULATED platform, or its folder');
  return addRevocationOptions(command);
}

/** By which workers what is read has to be written. */
export interface WorkerTrust {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /** Whose platform raw evidence has to be of, where the contract wants readers to look at it. */
  readonly roots: RootSet;
  readonly clock: Clock;
  /** Without it no revocation list is looked at. */
  readonly revocation?: Revocation;
}

export interface ReadingOwner {
  readonly id: PartyId;
  readonly secretReader: SecretReader;
}

/** @throws ERR_USAGE, ERR_FILE_*, ERR_CONTRACT_*, and as `openRevocation` */
export async function trustOf(options: OwnerLogOptions): Promise<WorkerTrust> {
  const settings = readRevocationSettings(options);
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const roots = rootsFor(contract, options.simulatedRoots);
  const lists = await openRevocation(settings, { roots, clock: systemClock });
  return { contract, contractId, roots, clock: systemClock, ...lists };
}

/**
 * Connects as the owner of the identity file, does something, and closes.
 * @param absent for a party to which nothing can be sealed
 * @throws ERR_USAGE, `absent`
 */
export async function asOwner<Result>(
  options: OwnerLogOptions,
  { contract }: WorkerTrust,
  absent: ErrorCode,
  act: (log: RecordLog, owner: ReadingOwner) => Promise<Result>,
): Promise<Result> {
  const { party, reader: secretReader } = parseIdentity(await readTextFile(options.identity));
  const owner = ownersWithUses(contract).find(({ id }) => id === party);
  if (!owner || !secretReader) throw new StrongroomError(absent, { party });
  const log = await connectKafkaLog(await readKafkaConnection(options, 'strongroom-owner'));
  try {
    return await act(log, { id: owner.id, secretReader });
  } finally {
    await log.close();
  }
}
