import { StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { z } from 'zod';

/**
 * Which version of a contract follows which, as this owner has approved them. The audit log says
 * so: whoever would have an amendment forgotten has to break the log. Kept in memory, and read
 * again from the entries at each start.
 */
export interface Versions {
  /** Of a contract that an amendment has superseded here. */
  successorOf(contract: ContractId): ContractId | undefined;
  /** The first version: what was spent under any version of it is spent. */
  lineageOf(contract: ContractId): ContractId;
  /** @throws ERR_CONTRACT_FORKED where another one follows `before` */
  demandOnly(before: ContractId, successor: ContractId): void;
  /** To be called once the entry that says so is on the disk. */
  follow(before: ContractId, successor: ContractId): void;
}

const EntrySchema = z.looseObject({ event: z.string() });
const SupersededSchema = z.looseObject({
  contract: ContractIdSchema,
  successor: ContractIdSchema,
});

/** @param entries of the audit log, verified, from the first on */
export function readVersions(entries: Iterable<string>): Versions {
  const successors = new Map<ContractId, ContractId>();
  const predecessors = new Map<ContractId, ContractId>();
  const follow = (before: ContractId, successor: ContractId) => {
    successors.set(before, successor);
    predecessors.set(successor, before);
  };
  for (const text of entries) {
    const entry = EntrySchema.parse(JSON.parse(text));
    if (entry.event !== 'contract-superseded') continue;
    const { contract, successor } = SupersededSchema.parse(entry);
    follow(contract, successor);
  }
  const lineageOf = (contract: ContractId): ContractId => {
    const before = predecessors.get(contract);
    return before === undefined ? contract : lineageOf(before);
  };
  return {
    successorOf: (contract) => successors.get(contract),
    lineageOf,
    demandOnly: (before, successor) => {
      const known = successors.get(before);
      if (known === undefined || known === successor) return;
      throw new StrongroomError('ERR_CONTRACT_FORKED', { contract: before, successor: known });
    },
    follow,
  };
}
