import { hash } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract, Dataset } from '@strongroom/protocol/contract';
import { ERRORS, type ErrorCode, type ErrorFacts } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import {
  HEADER_BYTES_MAX,
  QUARANTINED_PER_MINUTE_MAX,
  QUARANTINED_RECORD_BYTES_MAX,
} from '@strongroom/protocol/limits';
import type { WrappingKey } from '@strongroom/protocol/public-key';
import {
  type CountedRefusals,
  QUARANTINE_FORMAT,
  type QuarantinedRecord,
  type QuarantineEntry,
  type QuarantineOrigin,
  quarantineOwnerOf,
} from '@strongroom/protocol/quarantine-entry';
import { sealOnce } from '@strongroom/sealing/seal';
import type { DoorEntry, DoorRecord, EntryOutcome } from './door.ts';
import type { ResultProof } from './seal-aggregate.ts';

/** One owner's: what was said in this minute, and what is only counted. */
interface Ward {
  readonly owner: PartyId;
  readonly readingKey: WrappingKey;
  sequence: number;
  minute: number;
  told: number;
  readonly counted: Map<string, CountedRefusals>;
}

/** A record that had been handed in before, and is refused now that its turn has come. */
export interface LaterRefusal {
  readonly outcome: EntryOutcome;
  readonly partition: number;
  readonly record: QuarantinedRecord;
}

/** Records, what came of each, and what came of earlier ones. */
interface Judged {
  readonly entries: readonly DoorEntry[];
  readonly outcomes: readonly EntryOutcome[];
  readonly later: readonly LaterRefusal[];
}

interface Refusal {
  readonly origin: QuarantineOrigin;
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;
  readonly record: () => QuarantinedRecord;
}

const MINUTE_MS = 60_000;

/**
 * Refused records, on the vault's side: each is sealed to the owner of the dataset on whose topic
 * it lay, and is for people; nothing depends on it. A flood of garbage must not make the vault
 * write as fast as others do: above the limit of a minute they are counted, and counts are told.
 */
export class Quarantine {
  readonly #contract: Contract;
  readonly #contractId: ContractId;
  readonly #wards = new Map<PartyId, Ward>();
  #at = 0;
  #records: DoorRecord[] = [];

  constructor(contract: Contract, contractId: ContractId) {
    this.#contract = contract;
    this.#contractId = contractId;
  }

  /** @param at by the clock of the worker's machine, which nobody relies on */
  async add(
    dataset: Dataset,
    { entries, outcomes, later }: Judged,
    at: number,
    proof: () => ResultProof,
  ): Promise<void> {
    this.#at = at;
    const now = entries.flatMap((entry, index) => {
      const outcome = outcomes[index];
      const record = () => recordOf(entry);
      return outcome ? [{ outcome, partition: entry.partition ?? 0, record }] : [];
    });
    const waited = later.map((each) => ({ ...each, record: () => each.record }));
    for (const { outcome, partition, record } of [...now, ...waited]) {
      const { code, facts = {}, offset, again } = outcome;
      if (code === undefined || again || ERRORS[code].disposition !== 'quarantine') continue;
      const ward = this.#wardOf(dataset);
      const origin = { dataset: dataset.id, partition, offset };
      // Without a reading key nobody can be told; the log still has the record, and refusals are
      // counted in every statement.
      if (ward) await this.#addOne(ward, { origin, code, facts, record }, proof);
    }
  }

  /** What has been sealed since it was last asked for. */
  take(): DoorRecord[] {
    const records = this.#records;
    this.#records = [];
    return records;
  }

  /**
   * What was only counted, and nobody has been told of: it leaves with the step that covers it, so
   * that no restart can forget it.
   */
  async counts(proof: () => ResultProof): Promise<DoorRecord[]> {
    const records: DoorRecord[] = [];
    for (const ward of this.#wards.values()) records.push(...(await this.#countsOf(ward, proof)));
    return records;
  }

  async #addOne(
    ward: Ward,
    { origin, code, facts, record }: Refusal,
    proof: () => ResultProof,
  ): Promise<void> {
    const minute = Math.floor(this.#at / MINUTE_MS);
    if (ward.minute !== minute) {
      this.#records.push(...(await this.#countsOf(ward, proof)));
      Object.assign(ward, { minute, told: 0 });
    }
    if (ward.told >= QUARANTINED_PER_MINUTE_MAX) {
      countIn(ward.counted, origin, code);
      return;
    }
    ward.told += 1;
    const told = { at: this.#at, code, facts, origin, record: record() };
    const content = { v: 1, kind: 'record', ...told } as const;
    this.#records.push(await this.#seal(ward, content, proof()));
  }

  async #countsOf(ward: Ward, proof: () => ResultProof): Promise<DoorRecord[]> {
    if (ward.counted.size === 0) return [];
    const counted = [...ward.counted.values()];
    ward.counted.clear();
    const content = { v: 1, kind: 'count', at: this.#at, counted } as const;
    return [await this.#seal(ward, content, proof())];
  }

  async #seal(ward: Ward, content: QuarantineEntry, proof: ResultProof): Promise<DoorRecord> {
    const { owner, readingKey, sequence } = ward;
    ward.sequence += 1;
    const { record } = await sealOnce(QUARANTINE_FORMAT, {
      plaintext: canonicalBytes(content),
      at: { contract: this.#contractId, owner, epoch: proof.epoch, sequence },
      members: { token: proof.token },
      to: { kid: owner, wrappingKey: readingKey },
      signer: proof.signer,
    });
    return record;
  }

  #wardOf(dataset: Dataset): Ward | undefined {
    const known = this.#wards.get(dataset.owner);
    const party = known ? undefined : quarantineOwnerOf(this.#contract, dataset);
    if (!party) return known;
    const { id: owner, readingKey } = party;
    const ward = { owner, readingKey, sequence: 0, minute: 0, told: 0, counted: new Map() };
    this.#wards.set(owner, ward);
    return ward;
  }
}

function countIn(counted: Map<string, CountedRefusals>, at: QuarantineOrigin, code: string): void {
  const { dataset, partition, offset } = at;
  const name = `${dataset}/${partition}`;
  const before = counted.get(name) ?? { dataset, partition, from: offset, to: offset, byCode: {} };
  const byCode = { ...before.byCode, [code]: (before.byCode[code] ?? 0) + 1 };
  const [from, to] = [Math.min(before.from, offset), Math.max(before.to, offset)];
  counted.set(name, { dataset, partition, from, to, byCode });
}

function recordOf({ key, headers, value }: DoorEntry): QuarantinedRecord {
  const texts = [key ?? '', ...Object.entries(headers).flat()];
  const characters = texts.join('').length;
  const isSmall = value.length <= QUARANTINED_RECORD_BYTES_MAX && characters <= HEADER_BYTES_MAX;
  // JSON has no spelling for half of a character.
  if (isSmall && texts.every((each) => each.isWellFormed())) {
    return { kind: 'whole', key, headers: { ...headers }, value: encodeBase64url(value) };
  }
  return leftAtOrigin(value);
}

/** What is said of a record that is not handed on. */
export function leftAtOrigin(value: Uint8Array): QuarantinedRecord {
  return { kind: 'left', bytes: value.length, valueSha256: hash('sha256', value, 'hex') };
}
