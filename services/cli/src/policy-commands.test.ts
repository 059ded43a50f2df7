import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
async function tokenFile(claims: object): Promise<string> {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  await writeFile(at('token.jwt'), `${part({ alg: 'RS256' })}.${part(claims)}.AAAA\n`);
  return at('token.jwt');
}

describe('policy explain', () => {
  test('says yes claim by claim, and that the signature was not checked', async () => {
    const claims = { iss: ISSUER, [MEASUREMENT]: 'ab'.repeat(48), 'x-ms-sevsnpvm-vmpl': 0 };
    const explain = ['policy', 'explain', '--policy', at('policy.json')];
    const ended = await strongroomInside(...explain, '--token', await tokenFile(claims));
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout).toContain('yes x-ms-sevsnpvm-vmpl must be at most 1: it is 0');
    expect(ended.stdout).toContain('the key would be released (the signature');
  });

  test('names what is missing and what is wrong', async () => {
    const claims = { iss: ISSUER, [MEASUREMENT]: 'cd'.repeat(48) };
    const explain = ['policy', 'explain', '--policy', at('policy.json')];
    const token = ['--token', await tokenFile(claims)];
    const ended = await strongroomInside(...explain, ...token);
    expect(ended.exitCode).toBe(77);
    expect(ended.stdout).toContain(`NO  ${MEASUREMENT} must be ${'ab'.repeat(48)}: it is cdcd`);
    expect(ended.stdout).toContain('NO  x-ms-sevsnpvm-vmpl must be at most 1: it is missing');
    expect(ended.stderr).toMatch(/^error ERR_POLICY_DENIED: /);
    const { data, code } = await inside(...explain, ...token);
    expect(code).toBe('ERR_POLICY_DENIED');
    expect(data).toMatchObject({ granted: false });
  });

  test('refuses what is no token and what is no policy', async () => {
    const explain = (policy: string, token: string) =>
      inside('policy', 'explain', '--policy', at(policy), '--token', at(token));
    await writeFile(at('no-token'), 'abc');
    expect((await explain('policy.json', 'no-token')).code).toBe('ERR_TOKEN_INVALID');
    await tokenFile({ iss: ISSUER });
    expect((await explain('token.jwt', 'token.jwt')).code).toBe('ERR_POLICY_MALFORMED');
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
