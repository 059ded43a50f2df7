import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { beginsResult, RECORD_TYPES } from '@strongroom/protocol/record';
import { createLogger } from '@strongroom/runtime/logger';
import { openAggregate } from '@strongroom/sealing/open';
import type { SealedRecord } from '@strongroom/sealing/seal';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import { startVault, type VaultDoor } from '../../services/enclave-worker/src/vault-process.ts';
import type { Computation } from '../../services/enclave-worker/test/owners.ts';

/**
 * A vault in its process, behind its walls, with the keys of test owners, that reads what it is
 * given as a worker would hand it on: no log, no network, so that what it takes is its own.
 */

/** What a worker hands on at once. */
const GROUP_BYTES_MAX = 12 * 1024 * 1024;
const GROUP_RECORDS_MAX = 512;
const DEADLINE_MS = 300_000;
/** The kernel's clock of processor time ticks so often (proc(5), USER_HZ). */
const TICKS_A_SECOND = 100;

export class BenchVault {
  readonly #door: VaultDoor;
  readonly #computation: Computation;
  readonly #proven: Proven;
  readonly #offsets = new Map<string, number>();
  /** All parts of the newest result. */
  #lastResult: readonly DoorRecord[] = [];
  /** Windows that were closed. */
  windows = 0;

  private constructor(door: VaultDoor, computation: Computation, proven: Proven) {
    this.#door = door;
    this.#computation = computation;
    this.#proven = proven;
  }

  /** @param memoryMb what its engine may take */
  static async open(computation: Computation, memoryMb: number): Promise<BenchVault> {
    const logger = createLogger('bench', { level: 'error' });
    const door = await startVault({ logger, deadlineMs: DEADLINE_MS });
    try {
      return new BenchVault(door, computation, await prove(door, computation, memoryMb));
    } catch (error) {
      await door.close();
      throw error;
    }
  }

  /** Hands records of one dataset on in groups, and closes what is complete behind each. */
  async read(dataset: string, records: AsyncIterable<SealedRecord>): Promise<void> {
    let group: SealedRecord[] = [];
    let bytes = 0;
    for await (const record of records) {
      const isFull = bytes + record.value.length > GROUP_BYTES_MAX;
      if (isFull || group.length >= GROUP_RECORDS_MAX) {
        await this.#accept(dataset, group);
        [group, bytes] = [[], 0];
      }
      group.push(record);
      bytes += record.value.length;
    }
    await this.#accept(dataset, group);
  }

  /** The newest result, as the analyst sees it. */
  async openResult() {
    const { contract, contractId, analyst } = this.#computation;
    if (this.#lastResult.length === 0 || !analyst.reader)
      throw new Error('no result left the vault');
    const reader = { reader: PartyIdSchema.parse('analyst'), secretReader: analyst.reader };
    return await openAggregate(this.#lastResult, {
      ...{ contract, contractId, ...reader, ...this.#proven },
    });
  }

  get processorSeconds(): number {
    const stat = readFileSync(`/proc/${this.#door.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  }

  /** The kernel's own high-water mark. */
  get peakMb(): number {
    const status = readFileSync(`/proc/${this.#door.pid}/status`, 'utf8');
    return Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1_024);
  }

  async close(): Promise<void> {
    await this.#door.close();
  }

  async #accept(dataset: string, group: readonly SealedRecord[]): Promise<void> {
    const from = this.#offsets.get(dataset) ?? 0;
    this.#offsets.set(dataset, from + group.length);
    const entries = group.map(({ key, headers }, index) => ({
      key,
      headers,
      offset: from + index,
    }));
    const values = group.map(({ value }) => value);
    const { answer } = await this.#door.request('accept', { dataset, entries }, values);
    const refused = answer.outcomes.find(({ code }) => code !== undefined);
    if (refused) throw new Error(`a record was refused: ${refused.code}`);
    if (answer.outcomes.some(({ kind }) => kind === 'manifest')) await this.#closeWindows();
  }

  async #closeWindows(): Promise<void> {
    for (let more = true; more; ) {
      const { answer, records } = await this.#door.request('close', {});
      this.windows += answer.windows;
      const isResult = ({ headers }: DoorRecord) => headers['ce_type'] === RECORD_TYPES.aggregate;
      const results = records.filter(isResult);
      const newest = results.slice(results.findLastIndex(beginsResult));
      if (newest.length > 0) this.#lastResult = newest;
      more = answer.more;
    }
  }
}

interface Proven {
  readonly aggregateKey: { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string };
  readonly tokenSha256: string;
}

/** What a worker does with a vault before it reads; nobody looks at what proves it here. */
async function prove(door: VaultDoor, computation: Computation, memoryMb: number) {
  await door.request('open', { contract: computation.signed, memoryMb });
  const { runtimeClaims, nonce } = (await door.request('claims', {})).answer;
  const bytes = decodeBase64url(runtimeClaims) ?? new Uint8Array(0);
  const [transport, { kty, crv, x }] = RuntimeClaimsSchema.parse(parseCanonical(bytes)).keys;
  for (const { owner, keyId } of computation.contract.datasets) {
    for (const name of [keyId, 'state-share']) {
      const jws = await computation.release(owner, name, nonce, transport);
      await door.request('release', { owner, keyId: name, jws });
    }
  }
  const proof = `{"tokens":["header.${runtimeClaims}.signature"],"v":1}`;
  await door.request('proof', { proof });
  await door.request('restore', { checkpoints: [], prepared: [] });
  await door.request('announce', {});
  const tokenSha256 = createHash('sha256').update(proof).digest('hex');
  return { aggregateKey: { kty, crv, x }, tokenSha256 };
}
