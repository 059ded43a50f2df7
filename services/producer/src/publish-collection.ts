import { StrongroomError } from '@strongroom/protocol/errors';
import { checkItems, identifyItem, refuseUnfit } from './check-collection.ts';
import { wantedColumns } from './column-mapping.ts';
import { FinishedItems } from './finished-items.ts';
import { endStream, publishSource, type Run, sharedOf } from './publish-source.ts';
import type { Destination } from './send-groups.ts';
import { fingerprintSource } from './source-fingerprint.ts';
import type { KnownSource } from './source-format.ts';
import type { CollectionInput, CollectionItem } from './source-input.ts';

/**
 * Publishes what is new in a collection: item after item in the order of their names, each once,
 * whenever it came. Before the first row leaves, every new item is read to its end, unless
 * `--no-check`. The end of the last one is the end of the dataset, if it shall have one now.
 * @throws ERR_SOURCE_CHANGED when an item is not what it was when it was published, or is a copy
 *   of one; what publishing one source throws
 */
export async function publishCollection(
  run: Run,
  collection: CollectionInput,
  destination: Destination,
): Promise<void> {
  const { request, outbox, agreement } = run;
  refuseUnfit(request);
  const finished = await FinishedItems.open(request.stateFolder, outbox.state);
  const current = () => outbox.state ?? run.state;
  const items = await collection.items();
  const rest = await unpublished(run, items, finished);
  if (current().final) {
    if (rest.length > 0) throw changed(run, 'the stream has ended', rest[0]);
    return;
  }
  if (request.checkFirst) {
    // What of an item was published is behind the watermark by now.
    const unread = rest.filter(({ name }) => name !== current().source?.item?.name);
    const { rows } = await checkItems(request, agreement.dataset, unread, current());
    destination.tally.expect(rows);
  }
  if (request.signal.aborted) return;
  const shared = sharedOf({ ...run, state: current() });
  for (const [place, item] of rest.entries()) {
    const source = await identifyItem(item, request);
    const fingerprint = await fingerprintItem(run, source);
    const { name, version } = item;
    const begun = beginningOf(run, item, fingerprint);
    if (begun === 0 && isRepeated(run, { ...item, fingerprint }, items, finished)) continue;
    const final = request.final && place === rest.length - 1;
    const its = {
      ...run,
      request: { ...request, final, checkFirst: false },
      state: { ...current(), finished: finished.mark },
      resumed: outbox.state !== undefined,
      shared,
      item: { name, version },
    };
    await publishSource(its, source, { fingerprint, cursor: begun }, destination);
    const state = current();
    if (!state.source?.complete) return;
    await finished.add({ name, version, fingerprint, rows: state.source.cursor });
  }
  if (request.final && !current().final) await endStream(run, shared, destination);
}

/** Items that are not in the stream to their ends; one that is begun comes first. */
async function unpublished(
  run: Run,
  items: readonly CollectionItem[],
  finished: FinishedItems,
): Promise<CollectionItem[]> {
  const source = run.outbox.state?.source ?? null;
  const begun = source?.complete === false ? source : undefined;
  const begunItem = items.find(({ name }) => name === begun?.item?.name);
  if (begun && !begunItem) throw changed(run, 'another source is published only in part');
  const rest = begunItem ? [begunItem] : [];
  for (const item of items) {
    const known = finished.get(item.name);
    if (known === undefined && item !== begunItem) rest.push(item);
    if (known === undefined || known.version === item.version) continue;
    const fingerprint = await fingerprintItem(run, await identifyItem(item, run.request));
    if (fingerprint !== known.fingerprint) throw changed(run, 'it has been published', item);
  }
  return rest;
}

/** Rows of an item that are in the stream: more than none for the one that was begun. */
function beginningOf({ outbox, ...run }: Run, item: CollectionItem, fingerprint: string): number {
  const source = outbox.state?.source;
  if (source?.complete !== false || source.item?.name !== item.name) return 0;
  if (source.fingerprint === fingerprint) return source.cursor;
  throw changed(run, 'it is published in part', item);
}

/**
 * The same bytes under a second name: published already, if the first name is gone; but if both
 * are there, one may be a copy that was made by mistake, and rows are published once.
 */
function isRepeated(
  run: Run,
  item: CollectionItem & { readonly fingerprint: string },
  items: readonly CollectionItem[],
  finished: FinishedItems,
): boolean {
  const twin = finished.twinOf(item.fingerprint);
  if (twin === undefined) return false;
  if (items.every(({ name }) => name !== twin.name)) return true;
  throw changed(run, `it has the same bytes as ${twin.name}`, item);
}

async function fingerprintItem({ request, agreement }: Run, source: KnownSource): Promise<string> {
  const { dataset } = agreement;
  const { mapping } = wantedColumns(dataset, request.columns);
  return fingerprintSource(source, dataset, mapping, request.csv);
}

function changed(
  { agreement }: Pick<Run, 'agreement'>,
  problem: string,
  item?: CollectionItem,
): StrongroomError {
  const named = item === undefined ? {} : { item: item.name };
  return new StrongroomError('ERR_SOURCE_CHANGED', {
    dataset: agreement.dataset.id,
    ...named,
    problem,
  });
}
