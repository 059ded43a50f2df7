import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, StreamId } from '@strongroom/protocol/fields';
import { VAULT_DEATHS_MAX } from '@strongroom/protocol/limits';
import type { BatchSeal, Manifest } from '@strongroom/protocol/sealed-batch';
import { openBatch, recordTypeOf } from '@strongroom/sealing/open';
import {
  verifyManifestRecord,
  verifyOpeningRecord,
  verifyRetractionRecord,
} from '@strongroom/sealing/verify';
import type { DoorEntry } from './door.ts';
import { type ArrowBatch, readArrowBatch } from './engine/arrow-batch.ts';
import { eventTimeColumnOf, eventTimeRange } from './engine/event-time.ts';
import { belongsTo } from './engine/row-streams.ts';
import type { StreamElement } from './held-elements.ts';
import type { VaultKeys } from './keys.ts';
import type { StreamSet } from './stream-set.ts';

/** What a record must agree with. */
export interface EntryContext {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly keys: VaultKeys;
  readonly streams: StreamSet;
}

/** A record of a dataset's topic, verified; of which stream it says to be. */
export type OpenedEntry = { readonly stream: StreamId } & (
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'element'; readonly element: StreamElement }
);

/** @throws ERR_RECORD_*, ERR_SEAL_*, ERR_MANIFEST_MALFORMED, ERR_BATCH_*, … */
export async function openEntry(entry: DoorEntry, context: EntryContext): Promise<OpenedEntry> {
  const { contract, contractId, keys, streams } = context;
  const { dataset } = streams;
  const { offset, deaths = 0 } = entry;
  if (deaths >= VAULT_DEATHS_MAX) {
    throw new StrongroomError('ERR_RECORD_FATAL', { dataset: dataset.id, attempts: deaths });
  }
  const at = { contract, contractId, dataset };
  switch (recordTypeOf(entry)) {
    case 'manifest': {
      const { manifest } = await verifyManifestRecord(entry, at);
      return { kind: 'manifest', manifest, stream: manifest.stream };
    }
    case 'opening': {
      const opened = await verifyOpeningRecord(entry, at);
      const element = { kind: 'opening' as const, ...opened, offset };
      return { kind: 'element', element, stream: opened.opening.stream };
    }
    case 'retraction': {
      const opened = await verifyRetractionRecord(entry, at);
      const element = { kind: 'retraction' as const, ...opened, offset };
      return { kind: 'element', element, stream: opened.retraction.stream };
    }
    default: {
      const unwrapper = keys.unwrapperOf(dataset.id);
      const { seal, jws, plaintext } = await openBatch(entry, { ...at, unwrapper });
      const arrowBatch = readArrowBatch(plaintext, dataset, seal.rows);
      checkEventTime(arrowBatch, seal, context);
      checkStream(arrowBatch, seal, context);
      const element = { kind: 'batch' as const, seal, jws, arrowBatch, plaintext, offset };
      return { kind: 'element', element, stream: seal.stream };
    }
  }
}

/** Windows are closed by what seals say about event times, so the rows must agree with them. */
function checkEventTime(arrowBatch: ArrowBatch, seal: BatchSeal, { streams }: EntryContext): void {
  const column = eventTimeColumnOf(streams.dataset);
  if (!column) return;
  const { min, max } = eventTimeRange(arrowBatch, column);
  if (min === seal.eventTime?.min && max === seal.eventTime.max) return;
  const dataset = streams.dataset.id;
  throw new StrongroomError('ERR_BATCH_CONTENT', { dataset, problem: 'event times' });
}

/** What an owner says about where its rows are, others rely on. */
function checkStream(arrowBatch: ArrowBatch, seal: BatchSeal, { streams }: EntryContext): void {
  if (belongsTo(arrowBatch, streams.dataset, seal.stream)) return;
  const dataset = streams.dataset.id;
  throw new StrongroomError('ERR_BATCH_CONTENT', { dataset, problem: 'rows of another stream' });
}
