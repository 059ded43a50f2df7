import type { ShownError } from '@strongroom/page/view/error-panel';
import { windowText } from '@strongroom/page/view/words';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { importReader } from '@strongroom/sealing/reading-key';
import type { VerifiedResult } from '../open-aggregate.ts';
import { queriesOf, readAggregates } from '../read-aggregates.ts';
import { relayedLists } from './relayed-lists.ts';
import { createRelayedLog } from './relayed-log.ts';
import { loadAgreed, rootsFor } from './settings.ts';
import type { Store } from './state.ts';

/** Loads and verifies the contract; what is wrong with it is shown instead of results. */
export async function loadContract(store: Store): Promise<void> {
  try {
    // Browsers give WebCrypto to pages of this machine and to HTTPS alone.
    if (!isSecureContext) {
      const problem = 'open this page at 127.0.0.1 or over HTTPS: no WebCrypto here';
      throw new StrongroomError('ERR_CONFIG_INVALID', { problem });
    }
    store.set({ agreed: await loadAgreed() });
  } catch (error) {
    store.set({ error: shownError(error) });
  }
}

/** Takes the reader's key from its file, and reads from the beginning of the log on, for ever. */
export async function readWith(store: Store, identityText: string): Promise<void> {
  const { agreed } = store.state;
  if (!agreed) return;
  try {
    const reader = await importReader(identityText);
    const queries = queriesOf({ ...agreed, identity: reader });
    const results = new Map(queries.map(({ id }): [string, VerifiedResult[]] => [id, []]));
    store.set({ reader, results, ...(queries[0] ? { query: queries[0].id } : {}) });
    await read(store, reader);
  } catch (error) {
    store.set({ error: shownError(error) });
  }
}

async function read(store: Store, identity: Required<Parameters<typeof queriesOf>[0]['identity']>) {
  const { agreed } = store.state;
  if (!agreed) return;
  const log = createRelayedLog({
    onConnection: (connection) => store.set({ connection }),
    onRecord: (record) => store.state.shelf.add(record),
  });
  const roots = rootsFor(agreed.contract, agreed.simulatedPins);
  const revocation = relayedLists();
  const options = { ...agreed, identity, log, roots, clock: systemClock, revocation, follow: true };
  for await (const reading of readAggregates(options)) {
    if (reading.kind === 'result') addResult(store, reading.result);
    if (reading.kind === 'ended') store.set({ ended: reading.notice });
    if (reading.kind === 'refused') {
      const announcement = `A record was refused: ${reading.code}`;
      store.set({ refused: [...store.state.refused, reading], announcement });
    }
  }
}

function addResult(store: Store, result: VerifiedResult): void {
  const { results, connection } = store.state;
  results.get(result.seal.query)?.push(result);
  const isNew = connection === 'live';
  const announcement = `New result of ${result.seal.query}: ${windowText(result.seal.window)}`;
  store.set(isNew ? { announcement } : {});
}

/** Whatever was thrown, as the command would say it. */
export function shownError(error: unknown): ShownError {
  if (error instanceof StrongroomError) return error.toJSON();
  const name = error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
  return {
    code: codeOf(error) ?? 'ERR_INTERNAL',
    expected: `no error of this kind is expected: ${name}`,
    remedy: 'This is a defect of Strongroom; please report it.',
    facts: {},
  };
}
