import { compileReleasePolicy, evaluatePolicy } from '@strongroom/attestation/release-policy';
import { releasePolicyFor } from '@strongroom/attestation/release-policy/from-contract';
import { verifyToken } from '@strongroom/attestation/token';
import { EnclaveSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { describe, expect, test } from 'vitest';
import { hasFixtures } from './attestation-fixtures.ts';
import { compactOf, payloadOf } from './recorded-tokens.ts';
import { AUTHORITY, CLAIMS, craft, ISSUER, NOW_S, type Wish } from './token-craft.ts';

/**
 * Tokens that dress up as one of hardware, against the policy under which an owner releases its
 * keys to hardware. Some are signed by whom they should be; then the claims must give them away.
 */

const CONTRACT = ContractIdSchema.parse('c0'.repeat(32));
const MEASUREMENT = 'ab'.repeat(48);
const enclave = EnclaveSchema.parse({
  platform: 'amd',
  measurements: [{ name: 'build 1', sha384: MEASUREMENT }],
  minimumTcb: { Genoa: { bootLoader: 10, tee: 0, snp: 23, microcode: 84 } },
  authorities: [{ issuer: ISSUER, keys: [{ kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' }] }],
});
const POLICY = compileReleasePolicy(JSON.stringify(releasePolicyFor({ enclave }, CONTRACT)));

const SNP = 'x-ms-sevsnpvm-';
const TYPE = 'x-ms-attestation-type';
const RUNTIME = { contract: CONTRACT, purpose: 'strongroom/worker/v1' };
const PLATFORM = {
  [TYPE]: 'sevsnpvm',
  [`${SNP}is-debuggable`]: false,
  [`${SNP}migration-allowed`]: false,
  [`${SNP}vmpl`]: 0,
  [`${SNP}launchmeasurement`]: MEASUREMENT,
  [`${SNP}bootloader-svn`]: 10,
  [`${SNP}tee-svn`]: 0,
  [`${SNP}snpfw-svn`]: 23,
  [`${SNP}microcode-svn`]: 84,
};
const HARDWARE = { ...PLATFORM, 'x-strongroom-product': 'Genoa', 'x-ms-runtime': RUNTIME };
const SIMULATED = {
  ...HARDWARE,
  [TYPE]: 'sevsnpvm-simulated',
  [`${SNP}is-debuggable`]: true,
  'x-strongroom-platform': 'simulated',
};

/** `granted`, the claims that were not met, or the step that refused the token. */
async function answer(jwt: string): Promise<string> {
  const clock = { now: () => NOW_S * 1_000 };
  try {
    const claims = await verifyToken(jwt, { authorities: [AUTHORITY], clock });
    const { granted, reasons } = evaluatePolicy(POLICY, claims);
    const unmet = reasons.filter(({ met }) => !met).map(({ claim }) => claim);
    return granted ? 'granted' : `no: ${unmet.join(' ')}`;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return `${error.code} ${error.facts['check']}`;
  }
}

const says = (claims: object, more: Wish = {}) =>
  craft({ payload: { ...CLAIMS, ...claims }, ...more });
const INVALID = 'ERR_TOKEN_INVALID';
const DEBUG = `${SNP}is-debuggable`;

/** Signed by somebody else, or changed after it was signed. */
const BY_OTHERS: readonly [name: string, jwt: () => string, expected: string][] = [
  ['hardware itself', () => says(HARDWARE), 'granted'],
  ['simulation that says so', () => says(SIMULATED), `no: ${TYPE} ${DEBUG}`],
  [
    'simulation with its type edited',
    () => {
      const [header, payload = '', signature] = says(SIMULATED).split('.');
      const text = Buffer.from(payload, 'base64url').toString().replace('-simulated', '');
      return `${header}.${Buffer.from(text).toString('base64url')}.${signature}`;
    },
    `${INVALID} signature`,
  ],
  [
    'hardware, signed by the key of the simulation',
    () => says(HARDWARE, { by: 'otherRsa', header: { kid: 'rsa' } }),
    `${INVALID} signature`,
  ],
  [
    'hardware, signed by a key of its own name',
    () => says(HARDWARE, { by: 'otherRsa' }),
    `${INVALID} key-id`,
  ],
  [
    'hardware, with its key in the header',
    () =>
      says(HARDWARE, { by: 'otherRsa', header: { kid: 'rsa', jku: `${ISSUER}/certs`, x5c: [] } }),
    `${INVALID} signature`,
  ],
  ...[
    `${ISSUER}/`,
    'https://attest.example.evil.example',
    'https://ATTEST.example',
    'https://\u0430ttest.example',
    'https://sharedeus.eus.attest.azure.net',
    'AMD',
    'https://kdsintf.amd.com',
  ].map((iss): [string, () => string, string] => [
    `hardware, of the issuer ${iss}`,
    () => says({ ...HARDWARE, iss }),
    `${INVALID} issuer`,
  ]),
];

const TYPES: readonly unknown[] = [
  undefined,
  null,
  '',
  'SEVSNPVM',
  'SevSnpVm',
  'sevsnpvm ',
  ' sevsnpvm',
  'sevsnpvm\0',
  'sevsnpvm\n',
  's\u0435vsnpvm',
  '\uff53evsnpvm',
  'sevsnpvm\u200b',
  'sevsnpvm-simulated',
  'azurevm',
  'sgx',
  'tdxvm',
  ['sevsnpvm'],
  ['sevsnpvm', 'sevsnpvm-simulated'],
  { value: 'sevsnpvm' },
  { equals: 'sevsnpvm' },
  true,
  1,
];

/** Claims of another value or another type than the policy asks for, one at a time. */
const ONE_CLAIM: readonly [claim: string, values: readonly unknown[]][] = [
  [TYPE, TYPES],
  [DEBUG, [undefined, null, true, 'false', 'true', 0, '', [], [false]]],
  [`${SNP}migration-allowed`, [undefined, null, true, 'false', 0]],
  [`${SNP}vmpl`, [undefined, null, 1, 3, '0', false, 0.5, -1, [0], 4_294_967_295]],
  [
    `${SNP}launchmeasurement`,
    [
      undefined,
      MEASUREMENT.toUpperCase(),
      `${MEASUREMENT}00`,
      MEASUREMENT.slice(2),
      `0x${MEASUREMENT}`,
      [MEASUREMENT],
      '',
    ],
  ],
  [`${SNP}bootloader-svn`, [undefined, 9, '10', 10.5, -10, 2 ** 53, null, [10]]],
  [`${SNP}snpfw-svn`, [22, '23', undefined]],
  [`${SNP}microcode-svn`, [83, '84', undefined]],
  ['x-strongroom-product', [undefined, 'Milan', 'genoa', ['Genoa'], 'Genoa-B1']],
];

const { [TYPE]: _type, ...WITHOUT_TYPE } = HARDWARE;
const { 'x-ms-runtime': _runtime, ...WITHOUT_RUNTIME } = HARDWARE;
const CONTRACT_CLAIMS = 'x-ms-runtime.contract x-ms-runtime.purpose';

/** The right claims at the wrong place. */
const MISPLACED: readonly [name: string, claims: object, unmet: string][] = [
  ['the type in capitals', { ...WITHOUT_TYPE, [TYPE.toUpperCase()]: 'sevsnpvm' }, TYPE],
  [
    'the type below a machine',
    { ...WITHOUT_TYPE, 'x-ms-isolation-tee': { [TYPE]: 'sevsnpvm' } },
    TYPE,
  ],
  [
    'the type in the runtime claims',
    { ...WITHOUT_TYPE, 'x-ms-runtime': { ...RUNTIME, [TYPE]: 'sevsnpvm' } },
    TYPE,
  ],
  [
    'runtime claims as a text',
    { ...HARDWARE, 'x-ms-runtime': JSON.stringify(RUNTIME) },
    CONTRACT_CLAIMS,
  ],
  ['runtime claims in a list', { ...HARDWARE, 'x-ms-runtime': [RUNTIME] }, CONTRACT_CLAIMS],
  [
    'runtime claims of the client',
    { ...HARDWARE, 'x-ms-runtime': { 'client-payload': RUNTIME } },
    CONTRACT_CLAIMS,
  ],
  [
    'runtime claims by their path',
    {
      ...WITHOUT_RUNTIME,
      'x-ms-runtime.contract': CONTRACT,
      'x-ms-runtime.purpose': RUNTIME.purpose,
    },
    CONTRACT_CLAIMS,
  ],
  [
    'the contract of somebody else',
    { ...HARDWARE, 'x-ms-runtime': { ...RUNTIME, contract: 'c1'.repeat(32) } },
    'x-ms-runtime.contract',
  ],
  ['init data for runtime data', { ...WITHOUT_RUNTIME, 'x-ms-inittime': RUNTIME }, CONTRACT_CLAIMS],
];

describe('a token that shows', () => {
  test.each(BY_OTHERS)('%s', async (_name, jwt, expected) => {
    expect(await answer(jwt())).toBe(expected);
  });

  test.each(MISPLACED)('%s', async (_name, claims, unmet) => {
    expect(await answer(says(claims))).toBe(`no: ${unmet}`);
  });

  describe.each(ONE_CLAIM)('%s', (claim, values) => {
    test.each(values.map((value) => [JSON.stringify(value), value]))('%s', async (_name, value) => {
      expect(await answer(says({ ...HARDWARE, [claim]: value }))).toBe(`no: ${claim}`);
    });
  });

  test('everything behind its prototype shows nothing', async () => {
    const inner = JSON.stringify(HARDWARE);
    const text = JSON.stringify(CLAIMS).replace('{', `{"__proto__":${inner},`);
    expect(await answer(craft({ payload: text }))).toMatch(`no: ${TYPE} `);
  });

  test('a machine shows nothing of a container, whatever its names', async () => {
    const vm = { [TYPE]: 'azurevm', 'x-ms-isolation-tee': HARDWARE, 'x-ms-runtime': RUNTIME };
    const floors = ['bootloader', 'tee', 'snpfw', 'microcode'].map((part) => `${SNP}${part}-svn`);
    const others = Object.keys(PLATFORM).filter((claim) => !floors.includes(claim));
    const unmet = [...others, 'x-strongroom-product', ...floors];
    expect(await answer(says(vm))).toBe(`no: ${unmet.join(' ')}`);
  });

  test('the claims of another authority for the same processor', async () => {
    const intel = {
      ver: '2.0.0',
      attester_type: 'SEVSNP',
      sevsnp_is_debuggable: false,
      sevsnp_launch_measurement: MEASUREMENT,
      attester_held_data: RUNTIME,
    };
    expect(await answer(says(intel))).toMatch(new RegExp(`^no: ${TYPE} .*${CONTRACT_CLAIMS}`));
  });
});

describe.runIf(hasFixtures)('a real token of Azure', () => {
  test.each([
    'maa-tokens/sharedweu-azurevm-sevsnpvm-2023.jws.json',
    'maa-tokens/sharedeus-sgx-2023.jws.json',
    'azure-samples-maa/sev-snp-jwt.jws.json',
  ])('%s is not the worker of this contract', (path) => {
    const claims = { ...payloadOf(compactOf(path)), iss: ISSUER };
    const { granted, reasons } = evaluatePolicy(POLICY, claims);
    expect(granted).toBe(false);
    const unmet = reasons.filter(({ met }) => !met).map(({ claim }) => claim);
    expect(unmet).toContain('x-ms-runtime.contract');
    expect(unmet.includes(TYPE)).toBe(!path.includes('sev-snp-jwt'));
  });
});
