import { StrongroomError } from '@strongroom/protocol/errors';
import { createStreamSealer, type StreamSealer } from '@strongroom/sealing/seal';
import type { Agreement, ChosenStream, StreamRequest } from './agreement.ts';
import { sealGroups } from './batch-groups.ts';
import { type BatchSource, openSource, withBatches } from './batch-source.ts';
import { checkSource, type SourceRequest, sourceOptions } from './check-source.ts';
import { wantedColumns } from './column-mapping.ts';
import { CompressionChoice, type CompressionRequest } from './compression-choice.ts';
import type { Outbox } from './outbox.ts';
import type { Progress } from './publish-report.ts';
import { type Destination, sendGroups } from './send-groups.ts';
import { type FileSample, fileSample, fingerprintSource } from './source-fingerprint.ts';
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
  /** What a file that is published is known by. */
  readonly sample?: FileSample | undefined;
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
  const check = () => demandUnchanged(run, source, fingerprint);
  if (request.checkFirst && cursor === 0 && source.input.type !== 'stream') {
    const summary = await checkSource(request, agreement.dataset, source, state);
    await check();
    destination.tally.expect(summary.rows);
  }
  if (request.signal.aborted) return;
  if (!run.resumed) await outbox.begin(state);
  const opened = await openSource(sourceOptions(request, agreement.dataset, source, cursor));
  destination.tally.lacks(opened.absentColumns);
  try {
    const sample = run.item || run.portion ? undefined : await fileSample(source.input);
    await sendRest(
      { ...run, sample },
      checkedAtEnd(opened, check),
      cursor,
      fingerprint,
      destination,
    );
  } finally {
    await opened.close();
  }
}

/**
 * A file that somebody still writes has an end that is none: the last number may go on. Where it
 * grows is told by the source itself, if it is one that may.
 * @throws ERR_SOURCE_CHANGED
 */
async function demandUnchanged(run: Run, source: KnownSource, fingerprint: string): Promise<void> {
  if (source.input.type === 'stream' || run.portion) return;
  const { request, agreement } = run;
  const { dataset, mapping } = wantedColumns(agreement.dataset, request.columns);
  if ((await fingerprintSource(source, dataset, mapping, request.csv)) === fingerprint) return;
  const problem = 'it changed while it was read';
  throw new StrongroomError('ERR_SOURCE_CHANGED', { dataset: dataset.id, problem });
}

/** The same batches, and a check before it is said that there is no other. */
function checkedAtEnd(source: BatchSource, check: () => Promise<void>): BatchSource {
  return withBatches(source, async function* () {
    yield* source;
    await check();
  });
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
    ...(run.sample === undefined ? {} : { sample: run.sample }),
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
