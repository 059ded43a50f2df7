import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProof, proofBytes } from '@strongroom/protocol/attestation-proof';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside, strongroomInside } from '../test/run-strongroom.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-policy-'));
  await writeFile(at('policy.json'), JSON.stringify(POLICY));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
const ISSUER = 'https://attest.example';
const MEASUREMENT = 'x-ms-sevsnpvm-launchmeasurement';
const POLICY = {
  version: '1.0.0',
  anyOf: [
    {
      authority: ISSUER,
      allOf: [
        { claim: MEASUREMENT, equals: 'ab'.repeat(48) },
        { claim: 'x-ms-sevsnpvm-vmpl', lessOrEquals: '1' },
      ],
    },
  ],
};

/** A token whose signature nobody checks here. */
function tokenOf(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.AAAA`;
}

async function tokenFile(claims: object): Promise<string> {
  await writeFile(at('token.jwt'), `${tokenOf(claims)}\n`);
  return at('token.jwt');
}

const explain = (...options: string[]) =>
  strongroomInside('policy', 'explain', '--policy', at('policy.json'), ...options);

const explained = (token: string) => [
  'policy',
  'explain',
  '--policy',
  at('policy.json'),
  '--token',
  at(token),
];

describe('policy explain', () => {
  test('says what the policy demands, and exits with 0', async () => {
    const ended = await explain();
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
    expect(ended.stdout).toBe(
      `A token of ${ISSUER} in which all of this holds:\n` +
        `  - measurement of the launched code (${MEASUREMENT}) must be "${'ab'.repeat(48)}"\n` +
        '  - privilege level of the code (x-ms-sevsnpvm-vmpl) must be at most 1\n',
    );
    const { data } = await inside('policy', 'explain', '--policy', at('policy.json'));
    expect(data.demands).toEqual(ended.stdout.trimEnd().split('\n'));
  });

  test('says yes claim by claim, and that the signature was not checked', async () => {
    const claims = { iss: ISSUER, [MEASUREMENT]: 'ab'.repeat(48), 'x-ms-sevsnpvm-vmpl': 0 };
    const ended = await explain('--token', await tokenFile(claims));
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout).toContain('(x-ms-sevsnpvm-vmpl) must be at most 1: it is 0');
    expect(ended.stdout).toContain('The key would be released (signature');
  });

  test('names what is missing and what is wrong', async () => {
    const token = ['--token', await tokenFile({ iss: ISSUER, [MEASUREMENT]: 'cd'.repeat(48) })];
    const ended = await explain(...token);
    expect(ended.exitCode).toBe(77);
    expect(ended.stdout).toMatch(/NO {2}measurement .* must be "(ab){48}": it is "(cd){48}"\n/);
    expect(ended.stdout).toContain('(x-ms-sevsnpvm-vmpl) must be at most 1: it is missing');
    expect(ended.stdout).toContain('The key would NOT be released');
    expect(ended.stderr).toMatch(/^error ERR_POLICY_DENIED: /);
    const { data, code } = await inside(...explained('token.jwt'));
    expect(code).toBe('ERR_POLICY_DENIED');
    const [token1] = data.tokens;
    expect(data.granted).toBe(false);
    expect(token1).toMatchObject({ granted: false, nearest: 'anyOf[0]', ways: 1 });
    expect(token1.claims.map(({ met }: { met: boolean }) => met)).toEqual([true, false, false]);
  });

  test('believes no token about what only key release can say, but a file of claims', async () => {
    const claims = { iss: ISSUER, 'x-strongroom-own-verification': 'accepted' };
    const condition = { claim: 'x-strongroom-own-verification', equals: 'accepted' };
    const policy = { version: '1.0.0', anyOf: [{ authority: ISSUER, allOf: [condition] }] };
    await writeFile(at('own.json'), JSON.stringify(policy));
    await writeFile(at('claims.json'), JSON.stringify(claims));
    const own = ['policy', 'explain', '--policy', at('own.json')];
    expect((await inside(...own, '--token', await tokenFile(claims))).exitCode).toBe(77);
    expect((await inside(...own, '--claims', at('claims.json'))).exitCode).toBe(0);
    const supposed = ['--token', await tokenFile({ iss: ISSUER }), '--suppose-guards'];
    const ended = await strongroomInside(...own, ...supposed);
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout).toContain('its guards were supposed to agree');
  });

  test('explains every token of a proof, and takes the nearest for its reasons', async () => {
    const other = 'https://other.example';
    const claims = { [MEASUREMENT]: 'ab'.repeat(48), 'x-ms-sevsnpvm-vmpl': 1 };
    const proof = async (...vmpls: number[]) => {
      const tokens = [ISSUER, other].map((iss, index) =>
        tokenOf({ ...claims, iss, 'x-ms-sevsnpvm-vmpl': vmpls[index] }),
      );
      const bytes = proofBytes(createProof(tokens));
      await writeFile(at('proof.json'), bytes);
      await writeFile(at('target'), Buffer.from(bytes).toString('base64url'));
    };
    await proof(3, 3);
    const { data, facts } = await inside(...explained('proof.json'));
    expect(data.tokens).toHaveLength(2);
    expect(facts.mismatches).toEqual(['x-ms-sevsnpvm-vmpl']);
    await proof(0, 3);
    for (const file of ['proof.json', 'target']) {
      expect((await inside(...explained(file))).data.granted).toBe(true);
    }
  });

  test('does not let a token write on the terminal', async () => {
    const rude = '\u001b[2J\u009b31m\u202e\n'.repeat(1_000);
    const token = await tokenFile({ iss: rude, [MEASUREMENT]: rude });
    const ended = await explain('--token', token);
    expect(ended.stdout).toMatch(/^[ -~\n]{1,4000}$/);
    expect(ended.stderr).toMatch(/^[ -~\n]{1,1000}$/);
    const json = await explain('--token', token, '--json');
    expect(json.stdout).toMatch(/^[ -~\n]{1,4000}$/);
  });

  test('refuses what is no token and what is no policy', async () => {
    const codeFor = async (policy: string, ...options: string[]) =>
      (await inside('policy', 'explain', '--policy', at(policy), ...options)).code;
    await writeFile(at('no-token'), 'abc');
    await writeFile(at('list.json'), '[]');
    const token = await tokenFile({ iss: ISSUER });
    expect(await codeFor('policy.json', '--token', at('no-token'))).toBe('ERR_TOKEN_INVALID');
    expect(await codeFor('token.jwt', '--token', token)).toBe('ERR_POLICY_MALFORMED');
    expect(await codeFor('policy.json', '--claims', at('list.json'))).toBe('ERR_JSON_MALFORMED');
    expect(await codeFor('policy.json', '--claims', token)).toBe('ERR_JSON_MALFORMED');
    const both = ['--token', token, '--claims', at('list.json')];
    expect(await codeFor('policy.json', ...both)).toBe('ERR_USAGE');
  });
});

describe('policy diff', () => {
  const weaker = structuredClone(POLICY);
  weaker.anyOf[0]?.allOf.splice(1);

  test('compares policies, and refuses a weaker one only when told to', async () => {
    await writeFile(at('weaker.json'), JSON.stringify(weaker));
    const files = [at('policy.json'), at('weaker.json')];
    const ended = await strongroomInside('policy', 'diff', ...files);
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
    expect(ended.stdout).toBe(
      'WEAKER: the new one releases to every token of the old one, and to more\n' +
        '  - privilege level of the code (x-ms-sevsnpvm-vmpl) need no longer be at most 1: weaker\n',
    );
    const refused = await inside('policy', 'diff', ...files, '--refuse-weaker');
    expect(refused).toMatchObject({ exitCode: 77, code: 'ERR_POLICY_WEAKER' });
    expect(refused.facts).toEqual({ relation: 'weaker' });
    expect(refused.data.gained).toMatchObject({ iss: ISSUER });
    for (const pair of [files.toReversed(), [files[0] ?? '', files[0] ?? '']]) {
      const { exitCode } = await inside('policy', 'diff', ...pair, '--refuse-weaker');
      expect(exitCode).toBe(0);
    }
  });

  test('says what is wrong with a file that is neither', async () => {
    await writeFile(at('neither.json'), '{"payload":1}');
    await writeFile(at('no.json'), '{');
    const codeFor = async (file: string) =>
      (await inside('policy', 'diff', at('policy.json'), at(file))).code;
    expect(await codeFor('neither.json')).toBe('ERR_CONTRACT_MALFORMED');
    expect(await codeFor('no.json')).toBe('ERR_POLICY_MALFORMED');
    expect(await codeFor('missing.json')).toBe('ERR_FILE_UNREADABLE');
  });
});

test('platform new makes roots once, warns, and prints their public half alone', async () => {
  const dir = at('platform');
  const made = await strongroomInside('platform', 'new', '--dir', dir, '--json');
  expect(made.exitCode).toBe(0);
  expect(made.stderr).toContain('NOT HARDWARE');
  const roots = await inside('platform', 'roots', '--dir', dir);
  expect(roots.data.kind).toBe('simulated');
  expect(JSON.parse(await readFile(JSON.parse(made.stdout).roots, 'utf8'))).toEqual(roots.data);
  expect(JSON.stringify(roots.data)).not.toContain('PRIVATE');
  const again = await inside('platform', 'new', '--dir', dir);
  expect(again).toMatchObject({ exitCode: 77, code: 'ERR_FILE_UNWRITABLE' });
}, 60_000);
