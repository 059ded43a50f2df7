import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside, outside, strongroom, strongroomInside } from '../test/run-strongroom.ts';

/** One folder of files, as parties would pass them to each other. */

let folder: string;
const at = (name: string) => join(folder, name);
const PARTIES = ['north', 'south', 'authority'] as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-cli-'));
  for (const party of PARTIES) await makeIdentity(party);
  await writeKeyFiles();
  const example = await inside('contract', 'new', '--example');
  await writeFile(at('draft.json'), JSON.stringify(example.data));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function makeIdentity(party: string): Promise<void> {
  const reader = party === 'authority' ? ['--reader'] : [];
  const out = at(`${party}.identity.json`);
  const { data } = await inside('identity', 'new', '--party', party, ...reader, '--out', out);
  await writeFile(at(`${party}.public.json`), JSON.stringify(data));
}

/** Public keys in the forms in which other commands and services print them. */
async function writeKeyFiles(): Promise<void> {
  const rsa = () =>
    generateKeyPairSync('rsa', { modulusLength: 3072 }).publicKey.export({ format: 'jwk' });
  for (const owner of ['north', 'south']) {
    await writeFile(at(`${owner}.release-key.json`), JSON.stringify({ releaseKey: rsa() }));
    const shown = { name: 'k', key: { ...rsa(), kid: 'k' } };
    await writeFile(at(`${owner}.wrapping-key.json`), JSON.stringify(shown));
  }
  const certs = { keys: [{ ...rsa(), kid: '1', use: 'sig', alg: 'RS256', x5c: ['AAAA'] }] };
  await writeFile(at('attestation-certs.json'), JSON.stringify(certs));
  const measurement = { name: 'build 1', sha384: 'ab'.repeat(48) };
  await writeFile(at('measurement.json'), JSON.stringify(measurement));
}

type Run = typeof inside;
const make = (draft: string, out: string, run: Run = inside) =>
  run('contract', 'new', '--draft', at(draft), '--out', at(out));
const sign = (file: string, party: string, run: Run = inside) => {
  const identity = at(`${party}.identity.json`);
  return run('contract', 'sign', '--contract', at(file), '--identity', identity);
};
const verify = (file: string, run: Run = inside) => run('contract', 'verify', at(file));

async function editedDraft(name: string, edit: (draft: Draft) => void): Promise<string> {
  const draft = JSON.parse(await readFile(at('draft.json'), 'utf8'));
  edit(draft);
  await writeFile(at(name), JSON.stringify(draft));
  return name;
}

interface Draft {
  title: string;
  version: number;
  enclave: { platform: string; minimumTcb: object };
  extra?: string;
  parties: { id: string; identity: string; surprise?: number }[];
  queries: { readers: string[] }[];
}

describe('a contract', () => {
  test('goes from draft to signed by all, and says so at each step', async () => {
    const made = await make('draft.json', 'contract.json', outside);
    expect(made).toMatchObject({ exitCode: 0, data: { missing: [...PARTIES] } });
    expect(await verify('contract.json', outside)).toMatchObject({
      exitCode: 77,
      code: 'ERR_CONTRACT_UNSIGNED',
      facts: { missing: [...PARTIES] },
    });
    for (const [index, party] of PARTIES.entries()) {
      const signed = await sign('contract.json', party, index === 0 ? outside : inside);
      expect(signed.data).toMatchObject({ party, missing: PARTIES.slice(index + 1) });
    }
    const verified = await verify('contract.json', outside);
    expect(verified).toMatchObject({ exitCode: 0, data: { signers: [...PARTIES] } });
    expect(verified.data.contract).toBe(made.data.contract);
    const id = await strongroom('contract', 'id', at('contract.json'));
    expect(id.stdout).toBe(`${made.data.contract}\n`);
  });

  test('is shown to a person: who signed, what leaves to whom, which code', async () => {
    await make('draft.json', 'half.json');
    await sign('half.json', 'north');
    const { exitCode, stdout } = await strongroom('contract', 'show', at('half.json'));
    expect(exitCode).toBe(0);
    for (const part of [
      'north: North Airport, owner, has signed',
      'authority: Aviation Authority, reader, HAS NOT SIGNED',
      'flights-north: owned by north, table flights, event time departed',
      'daily-delay -> authority',
      'for every day of event time',
      'only groups of at least 20 rows (column flights)',
      'a result that is too large leaves empty, in 28800000 bytes, unless resultBytes is set',
      'SELECT count(*) AS flights',
      'simulated (NOT HARDWARE',
      'ab'.repeat(48),
    ]) {
      expect(stdout).toContain(part);
    }
  });

  test('takes from files the keys and nothing but the keys', async () => {
    await make('draft.json', 'keys.json');
    const { data } = await inside('contract', 'show', at('keys.json'));
    const [north] = data.contract.parties;
    const identity = JSON.parse(await readFile(at('north.public.json'), 'utf8'));
    expect(north.signingKey).toEqual(identity.signingKey);
    expect(Object.keys(data.contract.datasets[0].wrappingKey).sort()).toEqual(['e', 'kty', 'n']);
    expect(Object.keys(data.contract.enclave.authorities[0].keys[0]).sort()).toEqual([
      'e',
      'kty',
      'n',
    ]);
    expect(JSON.stringify(data.contract)).not.toContain('//"');
  });
});

describe('policy diff', () => {
  const enclaveWith = (microcode: number) => (draft: Draft) => {
    draft.enclave.platform = 'amd';
    draft.enclave.minimumTcb = { Genoa: { bootLoader: 10, tee: 0, snp: 23, microcode } };
  };

  test('compares unsigned contracts apart from their ids, which it names', async () => {
    const { data: old } = await make(await editedDraft('d1.json', enclaveWith(84)), 'c1.json');
    const { data: now } = await make(await editedDraft('d2.json', enclaveWith(80)), 'c2.json');
    const ended = await strongroomInside('policy', 'diff', at('c1.json'), at('c2.json'));
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout.split('\n')).toEqual([
      expect.stringMatching(/^WEAKER: /),
      expect.stringMatching(
        /^ {2}- on "Genoa" the floor .* from 84 \(0x54\) to 80 \(0x50\): weaker$/,
      ),
      '',
    ]);
    expect(ended.stderr).toContain(`${at('c2.json')}: not signed by north, south, authority\n`);
    expect(ended.stderr).toContain(`contract ${old.contract} is followed by ${now.contract}`);
  });

  test('compares a contract with a policy under its own id', async () => {
    await make(await editedDraft('d1.json', enclaveWith(84)), 'c1.json');
    for (const party of PARTIES) await sign('c1.json', party);
    const policy = ['policy', 'from-contract', '--contract', at('c1.json')];
    await inside(...policy, '--out', at('policy.json'));
    const relationTo = async (contract: string) =>
      (await inside('policy', 'diff', at('policy.json'), at(contract))).data.relation;
    expect(await relationTo('c1.json')).toBe('same');
    await make(await editedDraft('d2.json', enclaveWith(80)), 'c2.json');
    expect(await relationTo('c2.json')).toBe('incomparable');
  });
});

describe('refuses', () => {
  test('a contract of which a byte was changed after signing', async () => {
    await make('draft.json', 'tampered.json');
    for (const party of PARTIES) await sign('tampered.json', party);
    const file = JSON.parse(await readFile(at('tampered.json'), 'utf8'));
    const payload = Buffer.from(file.payload, 'base64url').toString('utf8');
    const changed = payload.replace('"minimumGroupRows":20', '"minimumGroupRows":1');
    expect(changed).not.toBe(payload);
    file.payload = Buffer.from(changed).toString('base64url');
    await writeFile(at('tampered.json'), JSON.stringify(file));
    expect(await verify('tampered.json', outside)).toMatchObject({
      exitCode: 77,
      code: 'ERR_CONTRACT_SIGNATURE_INVALID',
      facts: { party: 'north' },
    });
    const shown = await strongroomInside('contract', 'show', at('tampered.json'));
    expect(shown.stdout).toContain('SIGNATURE DOES NOT VERIFY');
    const policy = await inside('policy', 'from-contract', '--contract', at('tampered.json'));
    expect(policy.code).toBe('ERR_CONTRACT_SIGNATURE_INVALID');
  });

  test('a signature by a party that the contract does not name, or under its name', async () => {
    await make('draft.json', 'foreign.json');
    const before = await readFile(at('foreign.json'), 'utf8');
    await makeIdentity('stranger');
    expect(await sign('foreign.json', 'stranger')).toMatchObject({
      exitCode: 77,
      code: 'ERR_PARTY_UNKNOWN',
    });
    const impostor = at('impostor.identity.json');
    await inside('identity', 'new', '--party', 'north', '--out', impostor);
    expect(await sign('foreign.json', 'impostor')).toMatchObject({
      exitCode: 77,
      code: 'ERR_CONTRACT_SIGNATURE_INVALID',
    });
    expect(await readFile(at('foreign.json'), 'utf8')).toBe(before);
  });

  test.each<[string, (draft: Draft) => void, string]>([
    ['an unknown member', (draft) => Object.assign(draft, { extra: 1 }), 'ERR_CONTRACT_MALFORMED'],
    [
      'an unknown member of a party',
      (draft) => Object.assign(draft.parties[0] ?? {}, { surprise: 1 }),
      'ERR_CONTRACT_MALFORMED',
    ],
    [
      'a reader without a reading key',
      (draft) => Object.assign(draft.queries[0] ?? {}, { readers: ['north'] }),
      'ERR_CONTRACT_MALFORMED',
    ],
    [
      'a reader that is no party',
      (draft) => Object.assign(draft.queries[0] ?? {}, { readers: ['nobody'] }),
      'ERR_PARTY_UNKNOWN',
    ],
    [
      'a key file that is not there',
      (draft) => Object.assign(draft.parties[0] ?? {}, { identity: 'nowhere.json' }),
      'ERR_FILE_UNREADABLE',
    ],
    [
      'a file that holds no key',
      (draft) => Object.assign(draft.parties[0] ?? {}, { identity: 'measurement.json' }),
      'ERR_CONFIG_INVALID',
    ],
  ])('a draft with %s', async (_name, edit, code) => {
    const draft = await editedDraft('edited.json', edit);
    expect(await make(draft, 'edited-contract.json')).toMatchObject({ exitCode: 77, code });
    await expect(stat(at('edited-contract.json'))).rejects.toThrow();
  });

  test('a private key where a public one belongs', async () => {
    const secret = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
    await writeFile(at('private.json'), JSON.stringify(secret.export({ format: 'jwk' })));
    const draft = await editedDraft('leaky.json', (each) =>
      Object.assign(each, { datasets: [{ wrappingKey: { file: 'private.json' } }] }),
    );
    expect(await make(draft, 'leaky-contract.json')).toMatchObject({
      exitCode: 77,
      code: 'ERR_CONFIG_INVALID',
    });
  });

  test('files that are no JSON, and no file', async () => {
    await writeFile(at('broken.json'), '{');
    expect(await verify('broken.json')).toMatchObject({ exitCode: 65, code: 'ERR_JSON_MALFORMED' });
    expect(await verify('absent.json')).toMatchObject({
      exitCode: 77,
      code: 'ERR_FILE_UNREADABLE',
    });
  });
});

describe('an identity', () => {
  test('is readable for its owner alone, and never overwritten', async () => {
    const file = at('north.identity.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const before = await readFile(file, 'utf8');
    const again = await inside('identity', 'new', '--party', 'north', '--out', file);
    expect(again).toMatchObject({ exitCode: 77, code: 'ERR_FILE_UNWRITABLE' });
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  test('shows its public half and nothing else', async () => {
    const file = at('authority.identity.json');
    const shown = await inside('identity', 'show', '--identity', file);
    expect(shown.data).toEqual(JSON.parse(await readFile(at('authority.public.json'), 'utf8')));
    const text = JSON.stringify(shown.data);
    for (const secret of secretsIn(JSON.parse(await readFile(file, 'utf8')))) {
      expect(text).not.toContain(secret);
    }
  });

  test('needs a party id that contracts can hold', async () => {
    const bad = ['identity', 'new', '--party', 'North Airport', '--out', at('bad.json')];
    expect(await inside(...bad)).toMatchObject({ exitCode: 2, code: 'ERR_USAGE' });
  });
});

function secretsIn(identity: Record<string, { d?: string }>): string[] {
  return [identity['signing']?.d, identity['reading']?.d].filter((d) => d !== undefined);
}
