import { parseTarget } from '@strongroom/protocol/attestation-proof';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { LogFields, Logger } from '@strongroom/runtime/logger';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startServices, type TestServices, tokenOf } from '../test/services.ts';
import { collectProof } from './collect-proof.ts';

let services: TestServices;
beforeAll(async () => {
  services = await startServices(() => expect.fail('no key is asked for'));
});
afterAll(() => services.close());
afterEach(() => {
  services.refuse = undefined;
});

const RUNTIME = { nonce: 'ours' };
const EVIDENCE = {
  report: 'AAAA',
  certificateChain: 'PEM',
  runtimeClaims: encodeBase64url(canonicalBytes(RUNTIME)),
  uvmEndorsement: 'AAAA',
};
const issuer = (name: string) => `${services.url}/${name}`;
const token = (name: string) => tokenOf(issuer(name), RUNTIME);

/** Asks authorities of these names under a contract with these guards. */
async function collect(names: readonly string[], guards: object = {}, more: object = {}) {
  const warnings: LogFields[] = [];
  const quiet = () => undefined;
  const warn = (_event: string, fields: LogFields = {}) => warnings.push(fields);
  const logger: Logger = { debug: quiet, info: quiet, warn, error: quiet };
  const authorities = names.map((name) => ({ issuer: issuer(name), keys: [] }));
  const contract = { enclave: { authorities, ...guards } } as unknown as Contract;
  const options = { authorities: [], ca: services.ca, logger, ...more };
  return { ...(await collectProof(EVIDENCE, contract, options)), warnings };
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it was proven'),
    (error: unknown) => ({ code: codeOf(error), facts: Reflect.get(Object(error), 'facts') }),
  );

describe('a proof', () => {
  test('where one authority is enough asks with the bare token that Azure knows', async () => {
    const { proof, target } = await collect(['b', 'a']);
    expect(proof).toEqual({ v: 1, tokens: [token('a'), token('b')] });
    expect(target).toBe(token('b'));
  });

  test('has all tokens, and raw evidence only where the contract wants it', async () => {
    const agreed = await collect(['a', 'b'], { agreement: 2 });
    expect(agreed.proof).toEqual({ v: 1, tokens: [token('a'), token('b')] });
    expect(parseTarget(agreed.target)).toEqual(agreed.proof);
    const { proof, target } = await collect(['a'], { ownVerification: true });
    expect(proof).toEqual({ v: 1, tokens: [token('a')], evidence: EVIDENCE });
    expect(parseTarget(target)).toEqual(proof);
  });

  test('does without an authority that says no, and says so', async () => {
    services.refuse = { path: /^\/a\//, status: 400, code: 'ERR_REPORT_SIGNATURE' };
    const { proof, warnings } = await collect(['a', 'b', 'c'], { agreement: 2 });
    expect(proof.tokens).toEqual([token('b'), token('c')]);
    expect(warnings).toEqual([{ url: issuer('a'), code: 'ERR_REPORT_SIGNATURE' }]);
    expect((await collect(['a', 'b'])).target).toBe(token('b'));
  });

  test('is not there when too few remain, with what each of them said', async () => {
    services.refuse = { path: /^\/a\//, status: 400, code: 'ERR_REPORT_SIGNATURE' };
    expect(await refusal(collect(['a', 'b'], { agreement: 2 }))).toEqual({
      code: 'ERR_AGREEMENT_MISSING',
      facts: { agreement: 2, agreed: 1, refused: [`${issuer('a')} ERR_REPORT_SIGNATURE`] },
    });
    expect(await refusal(collect(['a']))).toMatchObject({ code: 'ERR_REPORT_SIGNATURE' });
  });

  test('is tried again when an authority is only down', async () => {
    services.refuse = { path: /^\/a\//, status: 503, code: 'Unavailable' };
    const { code } = await refusal(collect(['a', 'b'], { agreement: 2 }));
    expect(code).toBe('ERR_SERVICE_UNREACHABLE');
  });

  test('has no token about another worker or in another name', async () => {
    services.forge = tokenOf(issuer('a'), { nonce: 'theirs' });
    expect(await refusal(collect(['a']))).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    services.forge = token('b');
    expect(await refusal(collect(['a']))).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    services.forge = 'not.claims.AA';
    expect(await refusal(collect(['a']))).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    services.forge = undefined;
  });

  test('asks only the authorities that are chosen, and none that the contract lacks', async () => {
    const { proof } = await collect(['a', 'b', 'c'], {}, { authorities: [issuer('c')] });
    expect(proof.tokens).toEqual([token('c')]);
    const strangers = { authorities: [issuer('c'), 'https://stranger.example'] };
    expect(await refusal(collect(['a', 'c'], {}, strangers))).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
  });
});
