import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import {
  type Contract,
  type Dataset,
  datasetOf,
  partyOf,
  streamsOf,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, StreamId } from '@strongroom/protocol/fields';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import type { Logger } from '@strongroom/runtime/logger';
import type { Tracing } from '@strongroom/runtime/tracing';
import { demandUnamended } from '@strongroom/sealing/amendment';
import type { PartyIdentity } from '@strongroom/sealing/identity';
import { verifyContract } from '@strongroom/sealing/verify';
import type { OutboxOptions } from './outbox.ts';

/** What every command that signs on a stream is told. */
export interface StreamRequest {
  /** The parsed contract file. */
  readonly signedContract: unknown;
  /** Parsed files of versions after it, as far as this producer was shown any. */
  readonly amendments?: readonly unknown[];
  readonly datasetId: string;
  /** `--stream`; the only one when absent. */
  readonly stream?: string | undefined;
  readonly identity: PartyIdentity;
  /** The state folder of the stream. */
  readonly stateFolder: string;
  readonly outbox?: OutboxOptions;
  readonly log: RecordLog;
  readonly namespace?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: nobody wants to know. */
  readonly tracing?: Tracing | undefined;
}

/** A dataset and the contract that all parties have signed about it. */
export interface Agreement {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly dataset: Dataset;
}

/**
 * Nothing in the files is believed before it is verified. Whoever was shown an amendment publishes
 * nothing under the version before.
 * @throws ERR_CONTRACT_*, ERR_AMENDMENT_REFUSED, ERR_DATASET_UNKNOWN
 */
export async function agreementOf({
  signedContract,
  amendments = [],
  datasetId,
}: Pick<StreamRequest, 'signedContract' | 'amendments' | 'datasetId'>): Promise<Agreement> {
  await demandUnamended(signedContract, amendments);
  const { contract, contractId } = await verifyContract(signedContract);
  return { contract, contractId, dataset: datasetOf(contract, datasetId) };
}

/**
 * Nobody but its owner can sign for a dataset: better told now than by every reader.
 * @throws ERR_IDENTITY_MISMATCH
 */
export function checkOwner({ contract, dataset }: Agreement, identity: PartyIdentity): void {
  const agreed = canonicalBytes(partyOf(contract, dataset.owner).signingKey);
  const sameKey = Buffer.from(agreed).equals(canonicalBytes(identity.signer.publicKey));
  if (identity.party === dataset.owner && sameKey) return;
  throw new StrongroomError('ERR_IDENTITY_MISMATCH', {
    dataset: dataset.id,
    party: dataset.owner,
    found: identity.party === dataset.owner ? 'another key' : identity.party,
  });
}

/** Which stream of the dataset is published, and where. */
export interface ChosenStream {
  /** Absent where the contract names none: then its first state gives it a name. */
  readonly id?: StreamId;
  readonly partition: number;
}

/**
 * @param name as `--stream` says; the only one when absent
 * @throws ERR_STREAM_UNKNOWN, ERR_USAGE
 */
export function chooseStream(dataset: Dataset, name: string | undefined): ChosenStream {
  const streams = streamsOf(dataset);
  const names = streams.flatMap(({ id }) => id ?? []);
  const chosen = streams.filter(({ id }) => name === undefined || id === name);
  if (name !== undefined && chosen.length === 0) {
    const known = names.length === 0 ? 'the contract names none' : names.join(' ');
    throw new StrongroomError('ERR_STREAM_UNKNOWN', {
      dataset: dataset.id,
      expected: known,
      found: name,
    });
  }
  const [only, ...others] = chosen;
  if (only !== undefined && others.length === 0) return only;
  const problem = `the contract names several streams, say which: ${names.join(', ')}`;
  throw new StrongroomError('ERR_USAGE', { argument: '--stream', problem });
}
