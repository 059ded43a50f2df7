import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ended, strongroomInside } from '../test/run-strongroom.ts';
import { type KeyReleaseService, startKeyRelease } from '../test/start-key-release.ts';
import { CONTRACT_EXAMPLE } from './contract-example.ts';

/** The commands of docs/amendments.md, as they stand there, one after the other. */

const PAGE = new URL('../../../docs/amendments.md', import.meta.url);
const PARTIES = ['north', 'south', 'authority'] as const;

let folder: string;
let service: KeyReleaseService;
/** The commands name files of their folder. */
let before: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-amend-'));
  service = await startKeyRelease();
  before = process.cwd();
  process.chdir(folder);
  await makeFirstVersion();
}, 120_000);
afterAll(async () => {
  process.chdir(before);
  await service.stop();
  await rm(folder, { recursive: true, force: true });
});

/** As a shell in the folder runs it; `> FILE` is the only thing that the shell does. */
async function run(command: string): Promise<Ended> {
  const [line = '', file] = command.split(' > ');
  const [, ...args] = line.trim().split(/\s+/);
  const ended = await strongroomInside(...args);
  if (file !== undefined) await writeFile(join(folder, file.trim()), ended.stdout);
  return ended;
}

const write = (name: string, value: unknown) =>
  writeFile(join(folder, name), JSON.stringify(value));

async function makeFirstVersion(): Promise<void> {
  for (const party of PARTIES) {
    const reader = party === 'authority' ? '--reader ' : '';
    const made = `--party ${party} ${reader}--out ${party}.identity.json --json`;
    await run(`strongroom identity new ${made} > ${party}.public.json`);
  }
  const rsa = () =>
    generateKeyPairSync('rsa', { modulusLength: 3072 }).publicKey.export({ format: 'jwk' });
  for (const owner of ['north', 'south']) {
    await write(`${owner}.release-key.json`, { releaseKey: rsa() });
    await write(`${owner}.wrapping-key.json`, { name: 'k', key: rsa() });
  }
  await write('attestation-certs.json', { keys: [rsa()] });
  await write('measurement.json', { name: 'build 1', sha384: 'ab'.repeat(48) });
  await write('draft-1.json', CONTRACT_EXAMPLE);
  await run('strongroom contract new --draft draft-1.json --out contract.json');
  for (const party of PARTIES) {
    const signed = `--contract contract.json --identity ${party}.identity.json`;
    await run(`strongroom contract sign ${signed}`);
  }
  for (const [name, path] of [
    ['admin.token', 'admin'],
    ['ca.pem', 'ca'],
  ] as const) {
    await writeFile(join(folder, name), await readFile(join(service.folder, path)));
  }
}

/** What somebody does to the template in an editor. */
async function edit(): Promise<void> {
  const draft = JSON.parse(await readFile(join(folder, 'draft.json'), 'utf8'));
  draft.queries[0].disclosure.minimumGroupRows = 10;
  draft.queries[0].readers.push('north');
  draft.parties[0].readingKey = draft.parties[2].readingKey;
  draft.datasets[0].columns[1].type = 'int64';
  draft.datasets[1].columns[1].type = 'int64';
  for (const { columns } of draft.datasets) {
    columns.push({ name: 'gate', type: 'utf8', nullable: true });
  }
  await write('edited.json', draft);
}

test('every command of the page does what it says', async () => {
  const page = await readFile(PAGE, 'utf8');
  const commands = page
    .split('\n')
    .flatMap((line) => (line.startsWith('$ ') ? [line.slice(2)] : []));
  expect(commands.length).toBeGreaterThanOrEqual(9);
  const ended: Ended[] = [];
  for (const command of commands) {
    if (command.includes('edited.json')) await edit();
    const here = command.replace('https://keys.north.example', service.url);
    const outcome = await run(here);
    expect(outcome, command).toMatchObject({ exitCode: 0 });
    ended.push(outcome);
  }
  const shown = (verb: string) => {
    const at = commands.findIndex((command) => command.includes(verb));
    return `${ended[at]?.stdout}${ended[at]?.stderr}`;
  };
  for (const verb of [
    'contract propose --contract contract.json --draft',
    'contract diff',
    'contract review',
    'contract sign',
  ]) {
    expect(shown(verb)).toContain('minimum group of query daily-delay falls from 20 to 10 rows');
    expect(shown(verb)).toContain('lets north see results of query daily-delay, for every day');
    expect(shown(verb)).toContain('column delay of dataset flights-north becomes "int64"');
    expect(shown(verb)).toContain(
      'adds column gate of dataset flights-north: utf8, which may be missing, ' +
        'also in sources without the column',
    );
  }
  expect(shown('contract review')).toContain('still to be signed by: north, south, authority');
  expect(shown('contract verify')).toContain('version 2, all of them chained and signed');
  expect(shown('contract approve')).toContain('has approved version 2');
}, 240_000);

test('nobody signs an amendment unseen, alone or unasked', async () => {
  const propose = async (name: string, change: (draft: Draft) => void) => {
    await run('strongroom contract propose --contract contract.json --template > t.json');
    const draft: Draft = JSON.parse(await readFile(join(folder, 't.json'), 'utf8'));
    change(draft);
    await write('t.json', draft);
    const args = `--contract contract.json --draft t.json --out ${name} --json`;
    return await run(`strongroom contract propose ${args}`);
  };
  const sign = (file: string, more: string) =>
    run(`strongroom contract sign --contract ${file} --identity north.identity.json ${more}`);
  expect((await propose('same.json', () => undefined)).stderr).toContain('ERR_USAGE');
  const narrow = await propose('narrow.json', ({ datasets }) => {
    for (const { columns } of datasets) Object.assign(columns[1] ?? {}, { type: 'int16' });
  });
  expect(narrow.stderr).toContain('ERR_AMENDMENT_REFUSED');
  expect(narrow.stderr).toContain('datasets.flights-north.columns.delay');
  await propose('other.json', (draft) => Object.assign(draft, { title: 'Other' }));
  expect((await sign('other.json', '--yes --json')).stderr).toContain('--previous');
  expect((await sign('other.json', '--previous contract.json --json')).stderr).toContain('--yes');
  expect((await sign('other.json', '--previous other.json --yes --json')).stderr).toContain(
    'ERR_CONTRACT_UNSIGNED',
  );
  const alone = await run('strongroom contract verify other.json --json');
  expect(alone.stderr).toContain('ERR_CONTRACT_UNSIGNED');
}, 240_000);

test('a rotated key is proposed by the file that the rotation printed', async () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const keyId = `flights-north/${'0'.repeat(32)}`;
  await write('rotated.json', { keyId, key: publicKey.export({ format: 'jwk' }) });
  const propose = (key: string) =>
    run(`strongroom contract propose --contract contract.json --key ${key} --out r.json --json`);
  const { exitCode, stdout } = await propose('flights-north=rotated.json');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('datasets/flights-north/wrappingKey');
  expect((await run('strongroom contract show r.json')).stdout).toContain(keyId);
  for (const wrong of ['flights-nowhere=rotated.json', 'rotated.json']) {
    expect((await propose(wrong)).stderr).toContain('ERR_USAGE');
  }
}, 120_000);

interface Draft {
  title: string;
  datasets: { columns: object[] }[];
}
