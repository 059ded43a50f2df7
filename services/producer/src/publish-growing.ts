import { hash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import { refuseUnfit } from './check-collection.ts';
import { sourceNames, wantedColumns } from './column-mapping.ts';
import { withPlace } from './portion-place.ts';
import { endStream, publishSource, type Run, sharedOf } from './publish-source.ts';
import type { Destination } from './send-groups.ts';
import type { GrowingInput, Standing } from './source-input.ts';

const POLL_MS = 500;

/**
 * Publishes what has come to a growing source since the last run: portion after portion, each of
 * which was read to its end before its first row leaves, unless `--no-check`. Where the source
 * stands is part of the stream's state, so both move together or neither does.
 * @throws ERR_SOURCE_CHANGED for a stream of another source, and what publishing one source throws
 */
export async function publishGrowing(
  run: Run,
  input: GrowingInput,
  destination: Destination,
): Promise<void> {
  const { request, outbox, agreement } = run;
  refuseUnfit(request);
  const wanted = wantedColumns(agreement.dataset, request.columns);
  const columns = sourceNames(wanted.dataset, wanted.mapping);
  const fingerprint = hash('sha256', canonicalBytes({ columns, grows: input.knownBy }));
  const current = () => outbox.state ?? run.state;
  const shared = sharedOf({ ...run, state: current() });
  while (!request.signal.aborted) {
    const portion = await input.next(standingOf(run, fingerprint), wanted);
    if (portion && current().final) throw changed(run, 'the stream has ended');
    if (portion) {
      const state = current();
      const final = request.final && !input.follow;
      const its = {
        ...run,
        request: { ...request, final },
        state,
        resumed: outbox.state !== undefined,
        shared,
        portion,
      };
      const { cursor } = portion;
      await withPlace(portion, () =>
        publishSource(its, portion, { fingerprint, cursor }, destination),
      );
      if (!current().source?.complete) return;
    } else if (input.follow) {
      await wait(POLL_MS, undefined, { signal: request.signal }).catch(() => undefined);
    }
    if (!input.follow) break;
  }
  if (request.final && !input.follow && !request.signal.aborted && !current().final) {
    await endStream(run, shared, destination);
  }
}

/** @throws ERR_SOURCE_CHANGED */
function standingOf(run: Run, fingerprint: string): Standing | undefined {
  const source = run.outbox.state?.source ?? null;
  if (source === null) return undefined;
  const { position, cursor, complete } = source;
  // Whether rows of both sources are the same ones, nobody could tell.
  if (position === undefined || source.fingerprint !== fingerprint) {
    throw changed(run, 'the stream is that of another source');
  }
  return { position, cursor, complete };
}

function changed({ agreement }: Run, problem: string): StrongroomError {
  return new StrongroomError('ERR_SOURCE_CHANGED', { dataset: agreement.dataset.id, problem });
}
