import 'reflect-metadata';
import { createPrivateKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { StrongroomError } from '@strongroom/protocol/errors';
import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { readDeployment } from '../insecure/deployment.ts';
import type { RevocationOptions } from '../insecure/revocation.ts';
import { type SimulatedPlatform, simulatedRoots } from '../insecure.ts';
import type { RootSet } from '../roots.ts';
import { type VerificationOptions, verifyEvidence } from '../verify.ts';
import { contextTag, TAGS } from '../x509/der.ts';
import { parsePemCertificates } from '../x509/pem.ts';
import {
  KEY_USAGE,
  PSS_SHA384_WITH_TRAILER,
  RSA_SHA256,
  writeName,
} from '../x509/write-certificate.ts';
import { bitString, der, integer, oid, sequence, time } from '../x509/write-der.ts';
import { type RevocationListFacts, writeRevocationList } from '../x509/write-revocation-list.ts';
import { selectChain } from './chain.ts';
import { checkRevocation } from './revocation.ts';

const CLAIMS = new TextEncoder().encode('{"purpose":"test"}');
const HOUR_MS = 3_600_000;
const HALF_MINUTE_MS = 30_000;
const now = systemClock.now();

let platform: SimulatedPlatform;
let roots: RootSet;
let folder: string;

beforeAll(async () => {
  ({ platform, folder } = await sharedTestPlatform());
  roots = simulatedRoots(folder);
}, 60_000);

/** "checked", "not-checked", or the check that refuses. */
async function answer(
  lists: readonly Uint8Array[] | undefined,
  more: { signer?: 'vlek'; required?: boolean; at?: number } = {},
): Promise<string> {
  const launched = { image: [CLAIMS], hostData: new Uint8Array(32) };
  const signer = more.signer ?? 'vcek';
  const evidence = await evidenceOf(platform.launch({ ...launched, signer }), CLAIMS);
  const options: VerificationOptions = {
    roots,
    clock: { now: () => more.at ?? now },
    ...(lists ? { revocationLists: lists } : {}),
    requireRevocationList: more.required ?? false,
  };
  try {
    return verifyEvidence(evidence, options).facts.revocation;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    expect(error.code).toBe('ERR_CERTIFICATE_CHAIN');
    return [error.facts['check'], error.facts['role']].filter((each) => each).join(' ');
  }
}

const list = (options?: RevocationOptions) => platform.revocationList('Genoa', options);

describe('a revocation list', () => {
  test('need not be there, unless it is required', async () => {
    expect(await answer(undefined)).toBe('not-checked');
    expect(await answer([])).toBe('not-checked');
    expect(await answer(undefined, { required: true })).toBe('crl-missing');
    expect(await answer([], { required: true })).toBe('crl-missing');
  });

  test('that is good is checked, alone and among those of other roots', async () => {
    expect(await answer([list()])).toBe('checked');
    const others = [platform.revocationList('Milan'), list(), platform.revocationList('Turin')];
    expect(await answer(others, { required: true })).toBe('checked');
  });

  test('of another root is no answer, required or not', async () => {
    expect(await answer([platform.revocationList('Milan')])).toBe('crl-missing');
  });

  test('is judged by its own dates', async () => {
    // The certificates of a platform that was just made begin a minute before.
    const dates = { thisUpdate: now - HALF_MINUTE_MS, nextUpdate: now + HALF_MINUTE_MS };
    // Times in DER have whole seconds.
    const from = Math.floor(dates.thisUpdate / 1_000) * 1_000;
    const to = Math.floor(dates.nextUpdate / 1_000) * 1_000;
    expect(await answer([list(dates)], { at: from })).toBe('checked');
    expect(await answer([list(dates)], { at: to })).toBe('checked');
    expect(await answer([list(dates)], { at: from - 1 })).toBe('crl-not-yet-valid');
    expect(await answer([list(dates)], { at: to + 1 })).toBe('crl-expired');
    const ended = list({ ...dates, nextUpdate: now - 1_000 });
    expect(await answer([list(), ended])).toBe('crl-expired');
  });

  test('revokes the authority that it names and no other', async () => {
    expect(await answer([list({ revoked: ['ask'] })])).toBe('revoked intermediate');
    expect(await answer([list({ revoked: ['asvk'] })])).toBe('checked');
    expect(await answer([list({ revoked: ['asvk'] })], { signer: 'vlek' })).toBe(
      'revoked intermediate',
    );
    expect(await answer([list({ revoked: ['asvk', 'ark'] })])).toBe('revoked root');
  });

  test('with any bit of its signed part or signature changed is refused', async () => {
    const good = list({ revoked: ['asvk'] });
    for (let at = 8; at < good.length; at += 37) {
      const changed = good.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect([at, await answer([changed])]).not.toEqual([at, 'checked']);
    }
  });

  test('is not signed by an ASK, nor by the root of another product', async () => {
    expect(await answer([list({ signedByAsk: true })])).toBe('crl-signature');
    const { products } = await readDeployment(folder);
    const milan = createPrivateKey(products.Milan?.ark.privateKey ?? '');
    expect(await answer([writeRevocationList(facts({}), milan)])).toBe('crl-signature');
  });
});

test('a root that may not sign lists has none that counts', async () => {
  const launched = { image: [CLAIMS], hostData: new Uint8Array(32) };
  const evidence = await evidenceOf(platform.launch(launched), CLAIMS);
  const chain = selectChain(parsePemCertificates(evidence.certificateChain), 'vcek', roots);
  const options = { roots, clock: { now: () => now }, revocationLists: [list()] };
  expect(checkRevocation(chain, options)).toMatchObject({ revoked: 0 });
  const usages = [undefined, Uint8Array.of(3, 2, 2, 0x04), Uint8Array.of(3, 2, 1)];
  for (const value of usages) {
    const extensions = new Map(chain.root.extensions);
    if (value) extensions.set(KEY_USAGE, { critical: true, value });
    else extensions.delete(KEY_USAGE);
    const root = { ...chain.root, extensions };
    expect(() => checkRevocation({ ...chain, root }, options)).toThrow(
      expect.objectContaining({ facts: { check: 'crl-authority' } }),
    );
  }
});

const facts = (more: Partial<RevocationListFacts>): RevocationListFacts => ({
  issuer: roots.names.ark('Genoa'),
  thisUpdate: now - HOUR_MS,
  nextUpdate: now + HOUR_MS,
  revoked: [],
  ...more,
});

describe('the form of a revocation list', () => {
  const version2 = integer(Uint8Array.of(1));
  const extensions = (...inner: Uint8Array[]) => der(contextTag(0), sequence(...inner));
  const critical = sequence(
    oid('2.5.29.28'),
    der(TAGS.boolean, Uint8Array.of(0xff)),
    der(TAGS.octetString, sequence()),
  );
  const dates = () => [time(now - HOUR_MS), time(now + HOUR_MS)] as const;
  const name = () => writeName(roots.names.ark('Genoa'));
  const algorithm = PSS_SHA384_WITH_TRAILER;
  const listOf = (...tbs: Uint8Array[]) =>
    sequence(sequence(...tbs), algorithm, bitString(new Uint8Array(512)));
  const entry = (...more: Uint8Array[]) =>
    sequence(sequence(integer(Uint8Array.of(9)), time(now), ...more));

  test.each<[string, () => Uint8Array, string]>([
    ['nothing', () => new Uint8Array(0), 'crl-form'],
    ['bytes behind it', () => Uint8Array.from([...list(), 0]), 'crl-form'],
    [
      'the form alone',
      () => listOf(version2, algorithm, name(), ...dates(), extensions()),
      'crl-signature',
    ],
    ['version 1', () => listOf(algorithm, name(), ...dates()), 'crl-form'],
    [
      'version 3',
      () => listOf(integer(Uint8Array.of(2)), algorithm, name(), ...dates(), extensions()),
      'crl-form',
    ],
    ['no end', () => listOf(version2, algorithm, name(), dates()[0], extensions()), 'crl-form'],
    ['no extensions', () => listOf(version2, algorithm, name(), ...dates()), 'crl-form'],
    [
      'a critical extension',
      () => listOf(version2, algorithm, name(), ...dates(), extensions(critical)),
      'crl-form',
    ],
    [
      'an entry with a reason',
      () => listOf(version2, algorithm, name(), ...dates(), entry(sequence()), extensions()),
      'crl-signature',
    ],
    [
      'an entry of another issuer',
      () =>
        listOf(version2, algorithm, name(), ...dates(), entry(sequence(critical)), extensions()),
      'crl-form',
    ],
    [
      'two algorithms',
      () => listOf(version2, RSA_SHA256, name(), ...dates(), extensions()),
      'crl-form',
    ],
    [
      'another algorithm',
      () => {
        const tbs = sequence(version2, RSA_SHA256, name(), ...dates(), extensions());
        return sequence(tbs, RSA_SHA256, bitString(new Uint8Array(512)));
      },
      'crl-algorithm',
    ],
    [
      'unused bits',
      () => {
        const tbs = sequence(version2, algorithm, name(), ...dates(), extensions());
        return sequence(tbs, algorithm, der(TAGS.bitString, Uint8Array.of(1, 0)));
      },
      'crl-form',
    ],
  ])('is refused with %s', async (_name, make, expected) => {
    expect(await answer([make()])).toBe(expected);
  });

  test('is what another library reads', async () => {
    const made = new x509.X509Crl(Buffer.from(list({ revoked: ['ask', 'asvk'] })));
    expect(made.entries.map(({ serialNumber }) => serialNumber)).toEqual(['020001', '020101']);
    expect(made.issuer).toContain('ARK-SIM-Genoa');
  });
});
