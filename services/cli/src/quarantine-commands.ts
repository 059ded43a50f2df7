import { StrongroomError } from '@strongroom/protocol/errors';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Command } from 'commander';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';
import {
  addOwnerLogOptions,
  asOwner,
  type OwnerLogOptions,
  type ReadingOwner,
  trustOf,
} from './owner-log.ts';
import { adviceOn, entryFacts, entryText, quarantineTable } from './quarantine-text.ts';
import {
  entriesNamed,
  listQuarantine,
  type QuarantinePlace,
  type RefusedEntry,
} from './read-quarantine.ts';
import { RETRY_HELP, retryRecord, worthARetry } from './retry-quarantined.ts';

const WHERE =
  '--contract contract.json --identity north.identity.json \\\n    --brokers localhost:9092';

/** `strongroom quarantine`: records of an owner's datasets that the vault refused. */
export function addQuarantineCommands(program: Command): void {
  const noun = nounCommand(program, 'quarantine', "refused records of an owner's datasets");
  const list = leafCommand(
    noun,
    'list',
    'what was refused, when, where it lay, and what to do',
    `strongroom quarantine list ${WHERE} --json | jq '.records[].code'`,
  );
  addOwnerLogOptions(list).action((options: Options) => inQuarantine(options, showList));
  const show = leafCommand(
    noun,
    'show',
    'one refused record: headers and what its seal claims, never rows',
    `strongroom quarantine show flights/0/1234 ${WHERE}`,
  ).argument('<id>', 'as `list` shows it: dataset/partition/offset');
  addOwnerLogOptions(show).action((id: string, options: Options) =>
    inQuarantine(options, (...at) => showOne(id, ...at)),
  );
  const retry = leafCommand(
    noun,
    'retry',
    'publish a refused record once more',
    `strongroom quarantine retry flights/0/1234 ${WHERE}`,
  )
    .argument('[id]', 'as `list` shows it')
    .option('--all', 'every record for which a retry makes sense')
    .addHelpText('after', `\n${RETRY_HELP}`);
  addOwnerLogOptions(retry).action((id: string | undefined, options: Options) =>
    inQuarantine(options, (...at) => retryMany(id, ...at)),
  );
}

interface Options extends OwnerLogOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

type Act = (
  log: RecordLog,
  owner: ReadingOwner,
  place: QuarantinePlace,
  options: Options,
) => Promise<void>;

async function inQuarantine(options: Options, act: Act): Promise<void> {
  const trust = await trustOf(options);
  const place = { ...trust, namespace: options.namespace };
  await asOwner(options, trust, 'ERR_QUARANTINE_ABSENT', (log, owner) =>
    act(log, owner, place, options),
  );
}

const showList: Act = async (log, owner, place, { json }) => {
  const listed = await listQuarantine(log, owner, place);
  noticeOf(listed.refused);
  const records = listed.records.map((each) => ({
    ...each,
    advice: adviceOn(each.code),
    retry: worthARetry(each.code) !== undefined,
  }));
  printResult(json, { owner: owner.id, ...listed, records }, quarantineTable(listed));
};

async function showOne(id: string, ...[log, owner, place, { json }]: Parameters<Act>) {
  for await (const found of entriesNamed(new Set([id]), log, owner, place)) {
    return printResult(json, entryFacts(found), entryText(found));
  }
}

async function retryMany(id: string | undefined, ...[log, owner, place, options]: Parameters<Act>) {
  if ((id === undefined) !== (options.all === true)) {
    throw new StrongroomError('ERR_USAGE', { problem: 'an id, or --all' });
  }
  const ids = id === undefined ? await worthy(log, owner, place) : [id];
  const published: { id: string; partition: number }[] = [];
  for await (const { entry } of entriesNamed(new Set(ids), log, owner, place)) {
    published.push(await retryRecord(entry, log, place));
  }
  const lines = published.map(
    (each) => `${each.id} published again, to partition ${each.partition}`,
  );
  const end = 'What is refused once more comes back under the offset that it has now.';
  const text = published.length === 0 ? 'nothing for which a retry makes sense' : [...lines, end];
  printResult(options.json, { published }, [text].flat().join('\n'));
}

async function worthy(...at: Parameters<typeof listQuarantine>): Promise<string[]> {
  const { records, refused } = await listQuarantine(...at);
  noticeOf(refused);
  return records.filter(({ code }) => worthARetry(code) !== undefined).map(({ id }) => id);
}

function noticeOf(refused: readonly RefusedEntry[]): void {
  for (const { offset, code } of refused) printNotice(`entry ${offset} not believed: ${code}`);
}
