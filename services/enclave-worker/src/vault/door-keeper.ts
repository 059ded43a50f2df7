import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { AMENDMENTS_SHOWN_MAX } from '@strongroom/protocol/limits';
import { z } from 'zod';
import type {
  DoorEntry,
  DoorRecord,
  DoorVerb,
  DoorVerbs,
  EntryOutcome,
  ToldOutcome,
} from './door.ts';
import type { OpenedEntries } from './intake.ts';
import type { Departure } from './leases.ts';
import { mayLeave } from './outward-codes.ts';
import type { TransportKey } from './transport-key.ts';
import { Vault } from './vault.ts';

/**
 * Serves the verbs of the door: decides what a request may say, and that an answer says nothing
 * but records, codes and counts.
 */
export class DoorKeeper {
  #vault: Vault | undefined;
  #transportKey: Promise<TransportKey> | undefined;
  /** Requests whose records are opened, and whose turn has not come. */
  #ahead = 0;
  #opening: Promise<unknown> = Promise.resolve();

  /** @param transportKey for the first vault that is opened, begun before that is asked for */
  constructor(transportKey?: Promise<TransportKey>) {
    this.#transportKey = transportKey;
    // Whoever opens the vault is told.
    transportKey?.catch(() => undefined);
  }

  /** Answers a request; never throws. An unexpected failure tells its verb and nothing else. */
  serve(message: unknown, blobs: readonly Uint8Array[]): Promise<Served> {
    return this.begin(message, blobs)();
  }

  /**
   * Begins with a request before its turn has come: records are opened while the engine, which is
   * another thread, has work with those before them.
   * @returns what answers it when its turn has come; never throws
   */
  begin(message: unknown, blobs: readonly Uint8Array[]): () => Promise<Served> {
    const request = RequestSchema.safeParse(message);
    if (!request.success) {
      return async () => failed('ERR_VAULT_LOST', { verb: 'unknown' }, true);
    }
    const ahead = this.#openAhead(request.data, blobs);
    return () => this.#answer(request.data, blobs, ahead);
  }

  #openAhead(
    { verb, request }: DoorRequest,
    blobs: readonly Uint8Array[],
  ): Promise<OpenedEntries | undefined> | undefined {
    const vault = this.#vault;
    if (verb !== 'accept' || !vault || this.#ahead >= OPENED_AHEAD_MAX) return undefined;
    this.#ahead += 1;
    const entries = entriesOf(request.entries, blobs);
    const opened = this.#opening.then(() => vault.openAhead(request.dataset, entries));
    this.#opening = opened;
    return opened;
  }

  async #answer(
    request: DoorRequest,
    blobs: readonly Uint8Array[],
    ahead?: Promise<OpenedEntries | undefined>,
  ): Promise<Served> {
    const { verb } = request;
    if (ahead) this.#ahead -= 1;
    try {
      const { answer = {}, records = [] } = await this.#serve(request, blobs, await ahead);
      const message = { answer, records: records.map(withoutValue) };
      // What was accepted is decrypted, elsewhere; a step that was restored is handed on.
      const used = verb === 'accept' ? { used: blobs } : {};
      return { message, blobs: valuesOf(records), fatal: verb === 'stop', ...used };
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined) return failed('ERR_VAULT_LOST', { verb, served: true }, true);
      // What rows may have caused is told in the one way in which a vault is lost.
      if (!mayLeave(code, verb)) return failed('ERR_VAULT_LOST', {}, true);
      return failed(code, error instanceof StrongroomError ? error.facts : {}, false);
    }
  }

  async #serve(
    request: DoorRequest,
    blobs: readonly Uint8Array[],
    ahead?: OpenedEntries,
  ): Promise<Result> {
    if (request.verb === 'open') {
      const { contract, ...options } = request.request;
      const transportKey = this.#takeTransportKey();
      this.#vault = await Vault.open(contract, { ...options, ...transportKey });
      return { answer: { contractId: this.#vault.contractId } };
    }
    const vault = this.#vault;
    if (!vault) throw new StrongroomError('ERR_VAULT_LOST');
    switch (request.verb) {
      case 'claims':
        return { answer: vault.claims(request.request.challenges) };
      case 'lease':
        await vault.leases.accept(request.request);
        return {};
      case 'depart':
        return { records: await vault.leases.depart(...wordsIn(request.request)) };
      case 'stop':
        return { records: await vault.stop(request.request) };
      case 'proof':
        vault.acceptProof(request.request.proof);
        return {};
      case 'release': {
        const { owner, keyId, jws } = request.request;
        await vault.acceptRelease(owner, keyId, jws);
        return {};
      }
      case 'restore':
        return restoring(await vault.restore(...savedIn(request.request, blobs)));
      case 'announce':
        return departing(await vault.announce());
      case 'accept': {
        const { dataset, entries, at } = request.request;
        const outcomes = await vault.accept(dataset, entriesOf(entries, blobs), at, ahead);
        return { answer: { outcomes: outcomes.map(toldOf) }, records: vault.takeQuarantined() };
      }
      case 'close': {
        const { closing, departure } = await vault.closeWindows();
        return departing(departure, closing);
      }
      case 'checkpoint':
        return departing(await vault.checkpoint());
      case 'finish':
        vault.finish();
        return {};
      case 'evidence':
        return { answer: await vault.evidence(request.request.nonce) };
    }
  }

  /** No two vaults have the same one. */
  #takeTransportKey(): { transportKey?: Promise<TransportKey> } {
    const transportKey = this.#transportKey;
    this.#transportKey = undefined;
    return transportKey === undefined ? {} : { transportKey };
  }
}

/** Opened rows take memory: those of one request wait, beside those that are being stored. */
const OPENED_AHEAD_MAX = 2;

export interface Served {
  readonly message: unknown;
  readonly blobs: readonly Uint8Array[];
  /** The vault must not go on: its state is unknown, or its keys are gone. */
  readonly fatal?: boolean;
  /** Of the request, what nobody needs any more: whoever lent it may have it back. */
  readonly used?: readonly Uint8Array[];
}

interface Result {
  readonly answer?: object;
  readonly records?: readonly DoorRecord[];
}

const verbSchema = <Verb extends DoorVerb, Shape extends z.ZodRawShape>(verb: Verb, shape: Shape) =>
  z.strictObject({ verb: z.literal(verb), request: z.strictObject(shape) });

const EntrySchema = z.strictObject({
  key: z.string().nullable(),
  headers: z.record(z.string(), z.string()),
  offset: z.int().min(0),
  partition: z.exactOptional(z.int().min(0)),
  deaths: z.exactOptional(z.int().min(0)),
});

const StatementOfShape = { owner: z.string(), statement: z.string() };

const RequestSchema = z.discriminatedUnion('verb', [
  verbSchema('open', {
    contract: z.unknown(),
    amendments: z.exactOptional(z.array(z.unknown()).max(AMENDMENTS_SHOWN_MAX)),
    memoryMb: z.int().min(64),
    slice: z.exactOptional(z.int().min(0)),
  }),
  verbSchema('claims', { challenges: z.exactOptional(z.record(z.string(), z.string())) }),
  verbSchema('lease', StatementOfShape),
  verbSchema('depart', {
    statements: z.array(z.strictObject(StatementOfShape)),
    receipts: z.array(z.strictObject({ owner: z.string(), receipt: z.unknown() })),
  }),
  verbSchema('stop', StatementOfShape),
  verbSchema('proof', { proof: z.string() }),
  verbSchema('release', { owner: z.string(), keyId: z.string(), jws: z.string() }),
  verbSchema('restore', {
    checkpoints: z.array(z.string()),
    prepared: z.array(z.strictObject({ seal: z.string() })),
  }),
  verbSchema('announce', {}),
  verbSchema('accept', {
    dataset: z.string(),
    entries: z.array(EntrySchema),
    at: z.exactOptional(z.int().min(0)),
  }),
  verbSchema('close', {}),
  verbSchema('checkpoint', {}),
  verbSchema('finish', {}),
  verbSchema('evidence', { nonce: z.string() }),
]);
type DoorRequest = z.infer<typeof RequestSchema>;

function entriesOf(
  entries: readonly z.infer<typeof EntrySchema>[],
  blobs: readonly Uint8Array[],
): DoorEntry[] {
  return entries.map((entry, index) => ({ ...entry, value: blobs[index] ?? new Uint8Array(0) }));
}

function savedIn(
  { checkpoints, prepared }: DoorVerbs['restore']['request'],
  blobs: readonly Uint8Array[],
): Parameters<Vault['restore']> {
  const valueAt = (index: number) => blobs[index] ?? new Uint8Array(0);
  return [checkpoints, prepared.map(({ seal }, index) => ({ seal, value: valueAt(index) }))];
}

function wordsIn({ statements, receipts }: DoorVerbs['depart']['request']) {
  return [statements, receipts] as const;
}

function toldOf({ lateRows: _rows, late, facts: _facts, ...outcome }: EntryOutcome): ToldOutcome {
  return late ? { ...outcome, lateFor: late.map(({ query }) => query) } : outcome;
}

function departing(
  { prepared, records, leaseStep, debits }: Departure,
  answer: object = {},
): Result {
  const owed = debits?.map(({ owner, jws }) => ({ owner, debit: jws }));
  return {
    records: prepared ? [prepared, ...records] : records,
    answer: {
      ...answer,
      ...(leaseStep === undefined ? {} : { leaseStep }),
      ...(owed ? { debits: owed } : {}),
    },
  };
}

function restoring({ departure, ...restored }: Awaited<ReturnType<Vault['restore']>>): Result {
  return departing(departure, restored);
}

function withoutValue({ key, headers }: DoorRecord) {
  return { key, headers };
}

function valuesOf(records: readonly DoorRecord[]): Uint8Array[] {
  return records.map(({ value }) => value);
}

function failed(code: string, facts: object, fatal: boolean): Served {
  return { message: { error: { code, facts } }, blobs: [], fatal };
}
