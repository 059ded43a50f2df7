import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@strongroom/record-log/free-port';
import { shellWord } from '@strongroom/runtime/shell-word';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BIN, inside, strongroomInside } from '../../test/run-strongroom.ts';
import { createTlsFiles } from '../../test/tls.ts';
import { contractFromDraft } from '../contract-draft.ts';
import { askAnswers } from './ask-answers.ts';

let run: string;
beforeAll(async () => {
  run = await mkdtemp(join(tmpdir(), 'strongroom-init-'));
});
afterAll(() => rm(run, { recursive: true }));

const at = (...names: string[]) => join(run, ...names);
const init = (party: string, ...more: string[]) =>
  inside('init', '--party', party, '--folder', at(party), ...more);
const read = (...names: string[]) => readFile(at(...names), 'utf8');
const json = async (...names: string[]) => JSON.parse(await read(...names));
const modeOf = async (...names: string[]) => (await stat(at(...names))).mode & 0o777;

describe('strongroom init', () => {
  test('makes identity, secrets, settings and a draft, with the right modes', async () => {
    const { exitCode, data } = await init('north', '--name', 'North Airport', '--role', 'both');
    expect(exitCode).toBe(0);
    expect(data.files.map(({ path }: { path: string }) => path.slice(run.length + 1))).toEqual([
      ...['identity.json', 'master-key', 'admin-token', 'access-token', 'audit-token'].map(
        (name) => `north/secrets/${name}`,
      ),
      ...[
        ...['start-key-release.sh', 'prepare-keys.sh', 'allow-release.sh', 'publish.sh'],
        'read-results.sh',
      ].map((name) => `north/${name}`),
      ...['contract/north.public.json', 'contract/draft.json', 'organisation.json'].map(
        (name) => `north/${name}`,
      ),
    ]);
    for (const folder of ['.', 'secrets', 'tls', 'key-release', 'producer']) {
      expect([folder, await modeOf('north', folder)]).toEqual([folder, 0o700]);
    }
    expect(await modeOf('north', 'contract')).toBe(0o755);
    for (const name of await readdir(at('north', 'secrets'))) {
      expect([name, await modeOf('north', 'secrets', name)]).toEqual([name, 0o600]);
    }
    expect(await modeOf('north', 'start-key-release.sh')).toBe(0o700);
    expect(await modeOf('north', 'contract', 'draft.json')).toBe(0o644);
    expect((await json('north', 'contract', 'draft.json')).parties[0]).toMatchObject({
      ...{ id: 'north', name: 'North Airport', identity: 'north.public.json' },
    });
  });

  test('prints no secret, and none lies in what is passed on', async () => {
    const { stdout, stderr } = await strongroomInside(
      ...['init', '--party', 'quiet', '--folder', at('quiet'), '--yes'],
    );
    const names = await readdir(at('quiet', 'secrets'));
    const texts = await Promise.all(names.map((name) => read('quiet', 'secrets', name)));
    const secrets = texts.flatMap((text) => text.match(/[\w-]{43,}/g) ?? []);
    const publics = await json('quiet', 'contract', 'quiet.public.json');
    const known = new Set(JSON.stringify(publics).match(/[\w-]{43,}/g));
    const passedOn = await Promise.all(
      (await readdir(at('quiet', 'contract'))).map((name) => read('quiet', 'contract', name)),
    );
    const own = secrets.filter((each) => !known.has(each));
    expect(own.length).toBeGreaterThanOrEqual(6);
    for (const each of own) expect([stdout, stderr, ...passedOn].join()).not.toContain(each);
    expect(stdout).toContain('What to do next');
  });

  test('never overwrites: a folder that is there is refused and stays as it was', async () => {
    const before = await read('north', 'secrets', 'identity.json');
    expect(await init('north')).toMatchObject({
      ...{ code: 'ERR_FILE_UNWRITABLE', exitCode: 77, facts: { reason: 'EEXIST' } },
    });
    expect(await read('north', 'secrets', 'identity.json')).toBe(before);
  });

  test('a dry run says the same and makes nothing', async () => {
    const { data } = await init('dry', '--dry-run');
    expect(data).toMatchObject({ dryRun: true, party: 'dry', role: 'owner' });
    expect(data.files).toHaveLength(12);
    expect(await readdir(run)).not.toContain('dry');
  });

  test('asks nothing without a terminal: what cannot be guessed is demanded', async () => {
    expect(await inside('init')).toMatchObject({ code: 'ERR_USAGE', facts: { answer: 'party' } });
    for (const wrong of [
      ['--keys-url', 'http://keys.example'],
      ['--relation', 'Two Words'],
      ['--role', 'king'],
    ]) {
      expect(await init('wrong', ...wrong)).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
    }
    expect(await readdir(run)).not.toContain('wrong');
  });

  test('takes answers from a file, below what is said on the line', async () => {
    const answers = at('answers.json');
    await writeFile(answers, JSON.stringify({ party: 'filed', role: 'reader', name: 'Filed' }));
    const args = ['init', '--answers', answers, '--folder', at('filed'), '--role', 'owner'];
    expect((await inside(...args, '--dry-run')).data).toMatchObject({
      party: 'filed',
      role: 'owner',
    });
    await writeFile(answers, JSON.stringify({ party: 'filed', colour: 'red' }));
    expect(await inside(...args)).toMatchObject({ code: 'ERR_USAGE' });
  });
});

describe('a file of rows', () => {
  test('gives the draft its columns, its time and a query, and publishing its names', async () => {
    await writeFile(at('visits.csv'), 'Seen At,minutes\n2026-03-02T08:00:00Z,5\n');
    const { data } = await init('rows', '--source', at('visits.csv'));
    const draft = await json('rows', 'contract', 'draft.json');
    expect(draft.datasets[0]).toMatchObject({
      eventTime: 'seen_at',
      columns: [
        { name: 'seen_at', type: 'timestamp-us-utc', nullable: false },
        { name: 'minutes', type: 'int64', nullable: false },
      ],
    });
    expect(draft.queries[0].sql).toContain('avg(minutes) AS mean_minutes');
    const mapping = "--columns 'Seen At=seen_at,minutes=minutes'";
    expect(await read('rows', 'publish.sh')).toContain(mapping);
    expect(JSON.stringify(data.next)).toContain('visits.csv');
  });

  test('in its own way is read so, in the draft and when it is published', async () => {
    const csv = 'delimiter=semicolon encoding=windows-1252 numbers=1.234,56 dates=31.12.2001';
    const text = 'Tag;Größe;Straße;\n31.12.2025;1.234,5;Weg;\n';
    await writeFile(at('bank.csv'), Buffer.from(text, 'latin1'));
    const { data } = await init('bank', '--source', at('bank.csv'), '--csv', csv);
    const { datasets } = await json('bank', 'contract', 'draft.json');
    expect(datasets[0]).toMatchObject({
      eventTime: 'tag',
      columns: [
        { name: 'tag', type: 'date32' },
        { name: 'grosse', type: 'float64' },
        { name: 'strasse', type: 'utf8' },
      ],
    });
    expect(await read('bank', 'publish.sh')).toContain(`--csv '${csv}'`);
    expect(data.leftOut).toEqual([{ place: 4, name: '', problem: 'it has no name' }]);
    expect((await init('bank2', '--csv', csv)).code).toBe('ERR_USAGE');
  });

  test('that has no times is asked as a whole', async () => {
    await writeFile(at('words.csv'), 'word\nx\n');
    await init('words', '--source', at('words.csv'));
    const { datasets, queries } = await json('words', 'contract', 'draft.json');
    expect(datasets[0].eventTime).toBeUndefined();
    expect(queries[0]).toMatchObject({ id: 'whole', window: { kind: 'whole' } });
  });

  test('that is none is refused with what the producer says, and nothing is made', async () => {
    const gone = { code: 'ERR_FILE_UNREADABLE', exitCode: 77 };
    expect(await init('norows', '--source', at('gone.csv'))).toMatchObject(gone);
    expect(await readdir(run)).not.toContain('norows');
  });
});

describe('joining a draft', () => {
  const rsa = { kty: 'RSA', n: 'A'.repeat(512), e: 'AQAB' };

  test('a second owner and a reader come in, and the draft is a contract then', async () => {
    await init('one');
    const key = { keyId: `rows/${'0'.repeat(32)}`, key: rsa };
    const hand = async (folder: string, names: string[]) => {
      for (const name of names) {
        const shown = name.includes('wrapping') ? key : rsa;
        await writeFile(at(folder, 'contract', name), JSON.stringify(shown));
      }
    };
    await hand('one', ['one.release-key.json', 'one.wrapping-key.json']);
    const two = await init('two', '--join', at('one', 'contract', 'draft.json'));
    expect(two.data.missing).toEqual(['measurement.json', 'attestation-certs.json']);
    await hand('two', ['two.release-key.json', 'two.wrapping-key.json', 'attestation-certs.json']);
    const measurement = { name: 'build', sha384: 'ab'.repeat(48) };
    await writeFile(at('two', 'contract', 'measurement.json'), JSON.stringify(measurement));
    const draft = at('two', 'contract', 'draft.json');
    const reader = await init('press', '--role', 'reader', '--join', draft);
    expect(reader.data.missing).toEqual([]);
    expect(reader.data.files.map(({ path }: { path: string }) => path)).not.toContain(
      at('press', 'secrets', 'master-key'),
    );
    const contract = await contractFromDraft(at('press', 'contract', 'draft.json'));
    expect(contract.parties.map(({ id }) => id)).toEqual(['one', 'two', 'press']);
    expect(contract.datasets.map(({ owner, relation }) => [owner, relation])).toEqual([
      ['one', 'data'],
      ['two', 'data'],
    ]);
    expect(contract.parties[0]?.keyRelease?.lease?.statementKey).toEqual(rsa);
    expect(contract.datasets[0]).toMatchObject({ keyId: key.keyId, wrappingKey: rsa });
    expect(contract.queries[0]?.readers).toEqual(['press']);
    await init('radio', '--role', 'reader', '--join', at('press', 'contract', 'draft.json'));
    const more = await json('radio', 'contract', 'draft.json');
    expect(more.queries[0].readers).toEqual(['press', 'radio']);
    expect(await init('one', '--folder', at('again'), '--join', draft)).toMatchObject({
      code: 'ERR_USAGE',
    });
  });

  test.each([['../secret'], ['/etc/hostname'], ['..']])(
    'a draft that names %j is refused: it would take a file of this machine along',
    async (file) => {
      const draft = { parties: [], datasets: [{ wrappingKey: { file } }], queries: [] };
      await writeFile(at('hostile.json'), JSON.stringify(draft));
      expect(await init('prey', '--join', at('hostile.json'))).toMatchObject({ code: 'ERR_USAGE' });
      expect(await readdir(run)).not.toContain('prey');
    },
  );
});

describe('a person at a terminal', () => {
  /** Types each line once something new has been asked. */
  async function typing(lines: readonly string[], given = {}) {
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input });
    const output = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 40 });
    let shown = '';
    output.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
    });
    const asked = askAnswers(given, { input, output });
    asked.catch(() => undefined);
    let seen = 0;
    for (const line of lines) {
      while (shown.length === seen) await sleep(5);
      await sleep(30);
      seen = shown.length;
      input.write(line);
    }
    return { answers: asked, shown: () => shown };
  }
  const ENTER = '\r';
  const DOWN = '\u001b[B';

  test('is asked what was not given, with a default to each', async () => {
    const given = { folder: 'x', attestation: 'https://a.example', join: 'draft.json' };
    const lines = [`south${ENTER}`, ENTER, DOWN, ENTER, ENTER];
    const { answers, shown } = await typing(lines, given);
    expect(await answers).toMatchObject({
      ...given,
      ...{ party: 'south', name: 'south', role: 'reader', platform: 'amd' },
    });
    expect(shown()).toContain('Your id in contracts');
    expect(shown()).not.toContain('key release');
  });

  test('gives up with Ctrl-C, and nothing is done', async () => {
    const { answers } = await typing(['\u0003']);
    await expect(answers).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});

const WHOLE = 'what was made starts a service and makes keys in it, and doctor finds it well';
// Ten processes, one after the other.
test(WHOLE, { timeout: 180_000 }, async () => {
  const port = await freePort();
  await init('west', '--keys-url', `https://localhost:${port}`);
  const tls = createTlsFiles('localhost');
  await writeFile(at('ca.crt'), tls.ca);
  await writeFile(at('west', 'tls', 'server.crt'), tls.cert);
  await writeFile(at('west', 'tls', 'server.key'), tls.key, { mode: 0o600 });
  const rsa = { kty: 'RSA', n: 'A'.repeat(512), e: 'AQAB' };
  const authorities = [{ issuer: 'https://attest.example', keys: [rsa] }];
  await writeFile(at('west', 'key-release', 'authorities.json'), JSON.stringify(authorities));
  const env = { ...process.env, STRONGROOM: `${process.execPath} ${BIN}`, CA_FILE: at('ca.crt') };
  const service = spawn(at('west', 'start-key-release.sh'), { env });
  const ended = once(service, 'exit');
  try {
    await new Promise<void>((resolve) => {
      service.stderr.setEncoding('utf8').on('data', (log: string) => {
        if (log.includes('"listening"')) resolve();
      });
    });
    const keys = spawn(at('west', 'prepare-keys.sh'), { env, stdio: 'ignore' });
    expect(await once(keys, 'exit')).toEqual([0, null]);
    expect(await json('west', 'contract', 'west.release-key.json')).toMatchObject({
      ...{ owner: 'west', releaseKey: { kty: 'RSA' } },
    });
    await writeFile(at('west', 'contract', 'attestation-certs.json'), JSON.stringify(rsa));
    const measurement = { name: 'build', sha384: 'ab'.repeat(48) };
    await writeFile(at('west', 'contract', 'measurement.json'), JSON.stringify(measurement));
    await init('media', '--role', 'reader', '--join', at('west', 'contract', 'draft.json'));
    const draft = at('media', 'contract', 'draft.json');
    const contract = at('west', 'contract', 'contract.json');
    const made = await inside('contract', 'new', '--draft', draft, '--out', contract);
    expect([made.code, made.facts]).toEqual([undefined, undefined]);
    for (const party of ['west', 'media']) {
      const identity = at(party, 'secrets', 'identity.json');
      await inside('contract', 'sign', '--contract', contract, '--identity', identity);
    }
    const only = ['--only', 'files', 'contract', 'services', 'clocks'];
    const { data } = await inside(
      ...['doctor', '--folder', at('west'), '--ca-file', at('ca.crt'), '--timeout', '2', ...only],
    );
    const unwell = data.findings.filter(
      ({ verdict, code }: { verdict: string; code: string }) =>
        // A certificate of two days is about to end; nobody attests here.
        verdict !== 'ok' && code !== 'kafka-reachable',
    );
    expect(unwell.map(({ code, says }: { code: string; says: string }) => [code, says])).toEqual([
      ['service-reachable', expect.stringContaining('attestation https://localhost:8480')],
    ]);
  } finally {
    service.kill('SIGTERM');
    await ended;
  }
});

test.each([
  ['plain-name/x.json', 'plain-name/x.json'],
  ['two words', "'two words'"],
  ["it's $(id)", "'it'\\''s $(id)'"],
])('a shell reads %j as one word', (text, word) => {
  expect(shellWord(text)).toBe(word);
});
