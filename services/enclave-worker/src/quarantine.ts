import type { ContractId } from '@strongroom/protocol/fields';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { quarantineTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import type { DoorRecord } from './vault/door.ts';

/**
 * Entries of the owners' quarantines on their way to the log. They leave before the checkpoint that
 * covers what they speak of, so that no restart passes over a refused record in silence; after a
 * crash between the two, one lies there twice.
 */
export class QuarantineOutbox {
  readonly #log: RecordLog;
  readonly #contractId: ContractId;
  readonly #namespace: string;
  #waiting: DoorRecord[] = [];
  #sent = Promise.resolve();

  constructor(log: RecordLog, contractId: ContractId, namespace: string) {
    this.#log = log;
    this.#contractId = contractId;
    this.#namespace = namespace;
  }

  put(records: readonly DoorRecord[]): void {
    this.#waiting.push(...records);
  }

  /** Resolves when all is on the log that was put here before. */
  flush(): Promise<void> {
    this.#sent = this.#sent.then(() => this.#send());
    return this.#sent;
  }

  async #send(): Promise<void> {
    const leaving = Map.groupBy(this.#waiting, ({ key }) => key);
    this.#waiting = [];
    for (const [key, records] of leaving) {
      const owner = PartyIdSchema.parse(key);
      await this.#log.append(quarantineTopic(this.#contractId, owner, this.#namespace), records);
    }
  }
}
