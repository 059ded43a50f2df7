import { createStreamSealer, type StreamSealer } from '@strongroom/sealing/seal';
import type { Agreement, ChosenStream, StreamRequest } from './agreement.ts';
import { sealGroups } from './batch-groups.ts';
import { type BatchSource, openSource } from './batch-source.ts';
import { checkSource, type SourceRequest, sourceOptions } from './check-source.ts';
import { CompressionChoice, type CompressionRequest } from './compression-choice.ts';
import type { Outbox } from './outbox.ts';
import type { Progress } from './publish-report.ts';
import { type Destination, sendGroups } from './send-groups.ts';
import type { KnownSource } from './source-format.ts';
import type { Portion } from './source-input.ts';
import type { SourcePlan } from './source-plan.ts';
import type { StreamState } from './stream-state.ts';

export interface PublishRequest extends SourceRequest, StreamRequest {
  /** Whether the end of the source is the end of the dataset. */
  readonly final: boolean;
  /** Read a file once to its end before its first row is published. */
  readonly checkFirst: boolean;
  /** The state folder is lost: go on where the log says. */
  readonly recover?: boolean;
  /** What is compressed before it is sealed: nothing if nothing is said. */
  readonly compression?: CompressionRequest;
  readonly onProgress?: (progress: Progress) => void;
}

/** One run of a producer. */
export interface Run {
  readonly request: PublishRequest;
  readonly agreement: Agreement;
  readonly chosen: ChosenStream;
  readonly outbox: Outbox;
  /** Where the stream stands before this run, or this item of a collection, reads a row. */
  readonly state: StreamState;
  /** An earlier run has begun the stream. */
  readonly resumed: boolean;
  /** What the items of a collection have in common. */
  readonly shared?: { readonly sealer: StreamSealer; readonly compression: CompressionChoice };
  /** Which item of a collection is published. */
  readonly item?: { readonly name: string; readonly version: string };
  /** Which part of a growing source is. */
  readonly portion?: Pick<Portion, 'position' | 'positionAt'>;
}

/** Checks one source, where that is wanted and possible, and publishes what is left of it. */
export async function publishSource(
  run: Run,
  source: KnownSource,
  { fingerprint, cursor }: Pick<SourcePlan, 'fingerprint' | 'cursor'>,
  destination: Destination,
): Promise<void> {
  const { request, agreement, outbox, state } = run;
  if (request.checkFirst && cursor === 0 && source.input.type !== 'stream') {
    const summary = await checkSource(request, agreement.dataset, source, state);
    destination.tally.expect(summary.rows);
  }
  if (request.signal.aborted) return;
  if (!run.resumed) await outbox.begin(state);
  const opened = await openSource(sourceOptions(request, agreement.dataset, source, cursor));
  destination.tally.lacks(opened.absentColumns);
  try {
    await sendRest(run, opened, cursor, fingerprint, destination);
  } finally {
    await opened.close();
  }
}

/** Seals and sends the rows of an open source. */
export async function sendRest(
  run: Run,
  source: BatchSource,
  cursor: number,
  fingerprint: string,
  destination: Destination,
): Promise<void> {
  const { request, state, item, portion } = run;
  const { sealer, compression } = run.shared ?? sharedOf(run);
  const place = {
    ...(item === undefined ? {} : { item }),
    ...(portion === undefined ? {} : { position: portion.position }),
  };
  const groups = sealGroups({
    source,
    compression,
    sealer,
    state: { ...state, source: { fingerprint, cursor, complete: false, ...place } },
    fingerprint,
    positionAt: portion?.positionAt,
    rule: request.rule,
    final: request.final,
    limitRows: request.limitRows ?? Number.POSITIVE_INFINITY,
    signal: request.signal,
    clock: request.clock,
  });
  await sendGroups(groups, destination);
  destination.tally.unformed(source.unformed);
  destination.tally.compressed(compression.report());
}

/** Nothing was new, and nothing will be: the last word of the stream alone. */
export async function endStream(
  run: Run,
  { sealer }: NonNullable<Run['shared']>,
  destination: Destination,
): Promise<void> {
  const { outbox } = run;
  if (outbox.state === undefined) await outbox.begin(run.state);
  const state = outbox.state ?? run.state;
  const { watermark } = state;
  const records = [await sealer.manifest({ watermark, final: true })];
  const point = sealer.point();
  await sendGroups(
    [{ state: { ...state, group: state.group + 1, point, final: true }, records }],
    destination,
  );
}

/** A sealer of its own for every run: its first segment has a fresh secret. */
export function sharedOf({ request, agreement, state }: Run): NonNullable<Run['shared']> {
  const sealer = createStreamSealer({
    contractId: agreement.contractId,
    dataset: agreement.dataset,
    stream: state.stream,
    epoch: state.epoch,
    point: state.point,
    signer: request.identity.signer,
    kid: request.identity.party,
    clock: request.clock,
  });
  return { sealer, compression: new CompressionChoice(request.compression) };
}
