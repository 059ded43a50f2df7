import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { demandAgreement, verifyTokens } from './agreement.ts';
import { reportDataOf } from './binding.ts';
import { compileReleasePolicy } from './release-policy.ts';
import type { TokenClaims } from './token.ts';

const ISSUERS = ['a', 'b', 'c', 'd'].map((name) => `https://${name}.example`);
const bytes32 = encodeBase64url(new Uint8Array(32));
const RUNTIME = {
  contract: 'c0'.repeat(32),
  keys: [
    { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'transport', key_ops: ['encrypt'] },
    { kty: 'OKP', crv: 'Ed25519', x: bytes32, kid: 'aggregates', key_ops: ['verify'] },
  ],
  nonce: bytes32,
  purpose: 'strongroom/worker/v1',
};

function claimsOf(iss: string, changes: object = {}, runtime: object = RUNTIME): TokenClaims {
  const reportData = Buffer.from(reportDataOf(canonicalBytes(runtime))).toString('hex');
  return {
    ...{ iss, iat: 1, nbf: 1, exp: 2, jti: '1', good: true },
    'x-ms-runtime': runtime,
    'x-ms-sevsnpvm-reportdata': reportData,
    ...changes,
  };
}

/** In these tests a token is its issuer's name, and `judge` what its authority said. */
const tokenOf = (iss: string) => `e30.${encodeBase64url(canonicalBytes({ iss }))}.AA`;

async function worker(all: readonly (TokenClaims | Error)[]) {
  const judged = new Map(all.map((each, index) => [tokenOf(ISSUERS[index] ?? ''), each]));
  return verifyTokens([...judged.keys()], async (token) => {
    const found = judged.get(token);
    if (!found || found instanceof Error) throw found;
    return found;
  });
}

function policyFor(agreement: number, ...issuers: readonly string[]) {
  const allOf = [
    { claim: 'good', equals: true },
    { claim: 'x-strongroom-agreeing-authorities', greaterOrEquals: agreement },
  ];
  const anyOf = issuers.map((authority) => ({ authority, allOf }));
  return compileReleasePolicy(JSON.stringify({ version: '1.0.0', anyOf }));
}

const invalid = new StrongroomError('ERR_TOKEN_INVALID', { check: 'signature' });
const codeOfRejection = (promise: Promise<unknown>) => promise.then(() => 'none', codeOf);

describe('verifyTokens', () => {
  test('keeps what verifies, and says what does not count', async () => {
    const { tokens, refused, runtime } = await worker([
      claimsOf('https://a.example'),
      invalid,
      claimsOf('https://c.example', { 'x-ms-runtime': { contract: 'none' } }),
    ]);
    expect(runtime).toEqual(RUNTIME);
    expect(tokens.map(({ iss }) => iss)).toEqual(['https://a.example']);
    expect(refused.map(({ issuer, error }) => [issuer, codeOf(error)])).toEqual([
      ['https://b.example', 'ERR_TOKEN_INVALID'],
      ['https://c.example', 'ERR_TOKEN_INVALID'],
    ]);
  });

  test('gives the first reason when nothing verifies, and hides no mistake of ours', async () => {
    const kind = new StrongroomError('ERR_ROOT_KIND');
    expect(await codeOfRejection(worker([kind, invalid]))).toBe('ERR_ROOT_KIND');
    const bug = new TypeError('a mistake');
    expect(await worker([claimsOf('https://a.example'), bug]).catch((error) => error)).toBe(bug);
  });

  test('refuses tokens about workers that differ in anything', async () => {
    const nonce = encodeBase64url(new Uint8Array(32).fill(1));
    const other = { ...RUNTIME, nonce };
    const both = [claimsOf('https://a.example'), claimsOf('https://b.example', {}, other)];
    expect(await codeOfRejection(worker(both))).toBe('ERR_AGREEMENT_MISSING');
  });
});

describe('demandAgreement', () => {
  test('judges those that stand without those that fell', async () => {
    const bad = { good: false };
    const [a = '', b = '', c = '', d = ''] = ISSUERS;
    const three = await worker([claimsOf(a), claimsOf(b, bad), claimsOf(c)]);
    const standing = demandAgreement(policyFor(2, a, b, c), three, false);
    expect(standing.map(({ iss }) => iss)).toEqual([a, c]);
    expect(() => demandAgreement(policyFor(3, a, b, c), three, false)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_DENIED' }),
    );
    // c is not in the policy: its word does not help a.
    expect(() => demandAgreement(policyFor(2, a, b), three, false)).toThrow();
    const all = await worker([a, b, c, d].map((iss) => claimsOf(iss)));
    expect(demandAgreement(policyFor(4, a, b, c, d), all, false)).toHaveLength(4);
  });

  test('says what was wrong with a token rather than that it is missing', async () => {
    const [a = '', b = ''] = ISSUERS;
    const factsOf = (one: Awaited<ReturnType<typeof worker>>) => {
      try {
        demandAgreement(policyFor(2, a, b), one, false);
      } catch (error) {
        if (error instanceof StrongroomError) return { code: error.code, ...error.facts };
      }
      return expect.fail('a refusal');
    };
    const missing = `${AGREEING} greaterOrEquals 2, found 1`;
    expect(factsOf(await worker([claimsOf(a)]))).toEqual({
      ...{ code: 'ERR_AGREEMENT_MISSING', authority: a, unmet: [missing] },
    });
    expect(factsOf(await worker([claimsOf(a, { good: false })]))).toEqual({
      ...{ code: 'ERR_POLICY_DENIED', authority: a },
      unmet: ['good equals true, found false'],
    });
    // Nobody whom the policy names: there is no condition that could be unmet.
    const stranger = await worker([claimsOf('https://x.example')]);
    expect(factsOf(stranger)).toMatchObject({ code: 'ERR_POLICY_DENIED' });
    expect(factsOf(await worker([claimsOf(a), invalid]))).toMatchObject({
      code: 'ERR_AGREEMENT_MISSING',
      refused: [`${b} ERR_TOKEN_INVALID`],
    });
  });

  test('has a code of its own for a measurement alone', async () => {
    const [a = ''] = ISSUERS;
    const name = 'x-ms-sevsnpvm-launchmeasurement';
    const codeFor = async (claims: object) => {
      const allOf = [
        { claim: name, equals: 'aa' },
        { claim: 'good', equals: true },
      ];
      const policy = { version: '1.0.0', anyOf: [{ authority: a, allOf }] };
      const one = await worker([claimsOf(a, claims)]);
      try {
        demandAgreement(compileReleasePolicy(JSON.stringify(policy)), one, false);
        return undefined;
      } catch (error) {
        return codeOf(error);
      }
    };
    expect(await codeFor({ [name]: 'bb' })).toBe('ERR_MEASUREMENT_MISMATCH');
    expect(await codeFor({ [name]: 'bb', good: false })).toBe('ERR_POLICY_DENIED');
  });

  test('counts right for any set of authorities, good and bad', async () => {
    const kinds = fc.array(fc.constantFrom('good', 'bad', 'foreign', 'invalid'), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(kinds, fc.integer({ min: 1, max: 4 }), async (all, agreement) => {
        fc.pre(all.some((kind) => kind !== 'invalid'));
        const named = ISSUERS.filter((_issuer, index) => all[index] !== 'foreign');
        const one = await worker(
          all.map((kind, index) =>
            kind === 'invalid'
              ? invalid
              : claimsOf(ISSUERS[index] ?? '', { good: kind !== 'bad', [AGREEING]: 9 }),
          ),
        );
        const good = all.filter((kind) => kind === 'good').length;
        let standing = 0;
        try {
          standing = demandAgreement(policyFor(agreement, ...named), one, false).length;
        } catch (error) {
          expect(codeOf(error)).toMatch(/^ERR_(POLICY_DENIED|AGREEMENT_MISSING)$/);
        }
        expect(standing).toBe(good >= agreement ? good : 0);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

const AGREEING = 'x-strongroom-agreeing-authorities';
