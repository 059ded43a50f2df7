import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { AppraisalPolicySchema } from '@strongroom/attestation/appraise';
import { parseThimCertificates } from '@strongroom/attestation/endorsements/thim';
import { readDeployment } from '@strongroom/attestation/insecure/deployment';
import { AMD_ROOTS, RootSet } from '@strongroom/attestation/roots';
import { parseCertificateTable } from '@strongroom/attestation/snp/certificate-table';
import { verifyEvidence } from '@strongroom/attestation/verify';
import {
  type Certificate,
  type DistinguishedName,
  parseCertificate,
} from '@strongroom/attestation/x509/certificate';
import { writePssCertificate } from '@strongroom/attestation/x509/write-certificate';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type Evidence, EvidenceSchema } from '@strongroom/protocol/evidence';
import { beforeAll, describe, expect, test } from 'vitest';
import { authoritiesOf, hasFixtures, leafOf, pemOf, reportOf } from './attestation-fixtures.ts';
import { derOf, POLICY, type Simulated, simulated, splitChain } from './attestation-simulated.ts';

/**
 * The simulated platform dressed up as hardware, in every way that evidence offers: judged with
 * AMD's roots none may pass. The disguises of tokens are tried where tokens are verified.
 */

let sim: Simulated;
let evidence: Evidence;
let leaf: string;
let ask: string;
let ark: string;
let keys: { readonly ark: KeyObject; readonly ask: KeyObject };

beforeAll(async () => {
  sim = await simulated();
  evidence = await sim.evidenceFor({ version: 3 });
  [leaf = '', ask = '', ark = ''] = splitChain(evidence.certificateChain);
  const genoa = (await readDeployment(sim.folder)).products.Genoa;
  keys = {
    ark: createPrivateKey(genoa?.ark.privateKey ?? ''),
    ask: createPrivateKey(genoa?.ask.privateKey ?? ''),
  };
}, 60_000);

const MARCH_2026 = Date.parse('2026-03-01T00:00:00Z');
const [realAsk = '', realArk = ''] = hasFixtures ? splitChain(authoritiesOf('Genoa')) : [];
const GOLDEN = 'tee-attestation-verification/genoa';
const realReport = () => reportOf(`${GOLDEN}_attestation_report.bin`);
const realLeaf = () => pemOf(leafOf(`${GOLDEN}_vcek.pem`));
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

/** At the time of both chains, which a simulated one does not share with AMD's golden report. */
function answer(given: Evidence, roots = AMD_ROOTS): string {
  const answers = [MARCH_2026, parseCertificate(derOf(leaf)).notBefore + 120_000].map((now) => {
    try {
      verifyEvidence(given, { roots, clock: { now: () => now } });
      return 'accepted';
    } catch (error) {
      if (!(error instanceof StrongroomError)) throw error;
      return `${error.code} ${error.facts['check'] ?? ''}`.trim();
    }
  });
  return answers.find((each) => each === 'accepted') ?? answers[1] ?? '';
}

const withChain = (...blocks: string[]): Evidence => ({
  ...evidence,
  certificateChain: blocks.join(''),
});

/** A certificate of the simulator again: under other names, without the marker, by another key. */
function rewrite(
  pem: string,
  subject: DistinguishedName,
  issuer: DistinguishedName,
  issuerKey: KeyObject,
  more: Partial<Certificate> = {},
): string {
  const certificate = { ...parseCertificate(derOf(pem)), ...more };
  const ours = [...certificate.extensions].filter(([type]) => !type.startsWith('2.25.'));
  const facts = { ...certificate, subject, issuer, extensions: new Map(ours) };
  return pemOf(writePssCertificate(facts, issuerKey));
}

const AMD = AMD_ROOTS.names;
const dressed = () => ({
  leaf: rewrite(leaf, AMD.vcek, AMD.ask('Genoa'), keys.ask),
  ask: rewrite(ask, AMD.ask('Genoa'), AMD.ark('Genoa'), keys.ark),
  ark: rewrite(ark, AMD.ark('Genoa'), AMD.ark('Genoa'), keys.ark),
});

const CHAIN = 'ERR_CERTIFICATE_CHAIN';
const KIND = 'ERR_ROOT_KIND';

describe.runIf(hasFixtures)('disguise', () => {
  test.each<[string, () => Evidence, string]>([
    ['none at all', () => evidence, KIND],
    [
      'the whole chain under the names of AMD',
      () => withChain(dressed().leaf, dressed().ask, dressed().ark),
      `${CHAIN} root-not-pinned`,
    ],
    [
      'the real ARK and ASK over a simulated VCEK',
      () => withChain(dressed().leaf, realAsk, realArk),
      `${CHAIN} signature`,
    ],
    [
      'the real ARK over a simulated ASK',
      () => withChain(dressed().leaf, dressed().ask, realArk),
      `${CHAIN} signature`,
    ],
    [
      'a real report with the simulated chain',
      () => ({ ...evidence, report: base64url(realReport()) }),
      KIND,
    ],
    [
      'a real report with the dressed chain',
      () => ({
        ...withChain(dressed().leaf, dressed().ask, dressed().ark),
        report: base64url(realReport()),
      }),
      `${CHAIN} root-not-pinned`,
    ],
    [
      'a simulated report with a real chain',
      () => withChain(realLeaf(), realAsk, realArk),
      `${CHAIN} tcb-of-leaf`,
    ],
    [
      'the simulated root behind a real chain',
      () => withChain(realLeaf(), realAsk, realArk, ark),
      KIND,
    ],
    [
      'a dressed root beside the real one',
      () => withChain(dressed().leaf, dressed().ask, dressed().ark, realArk),
      `${CHAIN} ambiguous`,
    ],
    [
      'both chains in one bundle',
      () => withChain(leaf, ask, ark, realLeaf(), realAsk, realArk),
      KIND,
    ],
    [
      'a simulated ASK that names the real ARK',
      () => withChain(leaf, rewrite(ask, AMD.ask('Genoa'), AMD.ark('Genoa'), keys.ark), realArk),
      KIND,
    ],
    [
      "an ARK with AMD's modulus length, serial number and dates",
      () => {
        const { serial, notBefore, notAfter } = parseCertificate(derOf(realArk));
        const twin = rewrite(ark, AMD.ark('Genoa'), AMD.ark('Genoa'), keys.ark, {
          ...{ serial, notBefore, notAfter },
        });
        return withChain(dressed().leaf, dressed().ask, twin);
      },
      `${CHAIN} root-not-pinned`,
    ],
    [
      'the SPKI of the real ARK in a root that signed nothing',
      () => {
        const { spki } = parseCertificate(derOf(realArk));
        const twin = rewrite(ark, AMD.ark('Genoa'), AMD.ark('Genoa'), keys.ark, { spki });
        return withChain(dressed().leaf, dressed().ask, twin);
      },
      `${CHAIN} signature`,
    ],
    [
      'forged DER before a real certificate in PEM',
      () => {
        const forged = Buffer.concat([derOf(dressed().leaf), Buffer.from(realLeaf())]);
        return withChain(pemOf(forged), realAsk, realArk);
      },
      `${CHAIN} certificate-form`,
    ],
    [
      'a real certificate in PEM before forged DER',
      () =>
        withChain(pemOf(Buffer.concat([Buffer.from(realLeaf()), derOf(leaf)])), realAsk, realArk),
      `${CHAIN} certificate-form`,
    ],
    [
      'the name behind a mark of the byte order',
      () => {
        const marked = AMD.vcek.map(([type, value]): [string, string] => [
          type,
          value.replace('SEV-', '\ufeffSEV-'),
        ]);
        return withChain(rewrite(leaf, marked, AMD.ask('Genoa'), keys.ask), realAsk, realArk);
      },
      `${CHAIN} missing`,
    ],
    [
      'a twin of the name in other letters',
      () => {
        // Cyrillic letters that look like Latin ones.
        const twin = AMD.vcek.map(([type, value]): [string, string] => [
          type,
          value.replace('VCEK', 'VC\u0415K'),
        ]);
        const own = rewrite(leaf, twin, AMD.ask('Genoa'), keys.ask);
        return withChain(own, realAsk, realArk);
      },
      `${CHAIN} missing`,
    ],
  ])('%s', (_name, make, expected) => {
    expect(answer(make())).toBe(expected);
  });

  test('none of them harms what it was built from', () => {
    const real = { ...evidence, report: base64url(realReport()) };
    const certificateChain = realLeaf() + realAsk + realArk;
    expect(answer({ ...real, certificateChain })).toBe('accepted');
    expect(answer(evidence, sim.roots)).toBe('accepted');
  });

  test('the simulated root in a certificate table', () => {
    const { report } = evidence;
    const tableOf = (entries: [string, string][]) => {
      const bodies = entries.map(([, pem]) => derOf(pem));
      const header = Buffer.alloc(24 * (entries.length + 1));
      let free = header.length;
      for (const [index, [guid]] of entries.entries()) {
        const { length } = bodies[index] ?? [];
        header.write(guid, 24 * index, 'hex');
        header.writeUInt32LE(free, 24 * index + 16);
        header.writeUInt32LE(length ?? 0, 24 * index + 20);
        free += length ?? 0;
      }
      return parseCertificateTable(new Uint8Array(Buffer.concat([header, ...bodies])));
    };
    const found = tableOf([
      ['8d75da6364e66445adc5f4b93be8accd', dressed().leaf],
      ['79b3b74aacbbe44fa02f05aef327c782', dressed().ask],
      ['a406b4c003a8524997433fb6014cd0ae', dressed().ark],
    ]);
    const blocks = [found.vcek, found.ask, found.ark].map((der) => (der ? pemOf(der) : ''));
    expect(answer({ ...withChain(...blocks), report })).toBe(`${CHAIN} root-not-pinned`);
  });

  test("the simulated root in the answer of Azure's certificate cache", () => {
    const worn = dressed();
    const chainOf = (authorities: string) => {
      const text = JSON.stringify({ vcekCert: worn.leaf, certificateChain: authorities });
      const found = parseThimCertificates(text);
      return withChain(pemOf(found.leaf), ...found.authorities.map((der) => pemOf(der)));
    };
    expect(answer(chainOf(worn.ask + worn.ark))).toBe(`${CHAIN} root-not-pinned`);
    expect(answer(chainOf(realAsk + realArk + worn.ark))).toBe(`${CHAIN} ambiguous`);
    expect(answer(chainOf(realAsk + realArk + ark))).toBe(KIND);
  });

  test('a word about itself in the evidence', () => {
    for (const more of [{ kind: 'amd' }, { platform: 'amd' }, { roots: 'amd' }]) {
      expect(EvidenceSchema.safeParse({ ...evidence, ...more }).success).toBe(false);
      expect(answer({ ...evidence, ...more })).toBe(KIND);
    }
  });

  test('a word in the environment', () => {
    const names = ['STRONGROOM_PLATFORM', 'STRONGROOM_ROOTS', 'STRONGROOM_INSECURE'];
    for (const name of names) process.env[name] = 'simulated';
    expect(answer(evidence)).toBe(KIND);
    for (const name of names) delete process.env[name];
  });

  test('a pin among those of AMD, or the first half of one', () => {
    const spki = createPublicKey(keys.ark).export({ format: 'der', type: 'spki' });
    const pin = createHash('sha256').update(spki).digest('hex');
    expect(() => new RootSet('amd', { Genoa: [pin] })).toThrow(
      expect.objectContaining({ code: KIND }),
    );
    const real = '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831';
    const prefix = real.slice(0, 32) + pin.slice(32);
    expect(AMD_ROOTS.trusts('Genoa', prefix)).toBe(false);
    const halved = new RootSet('simulated', { Genoa: [prefix] });
    expect(answer(evidence, halved)).toBe(`${CHAIN} root-not-pinned`);
  });

  test('an older policy that names no platform', () => {
    const { platform: _, ...older } = POLICY;
    expect(AppraisalPolicySchema.safeParse(POLICY).success).toBe(true);
    expect(AppraisalPolicySchema.safeParse(older).success).toBe(false);
    const both = { ...POLICY, platform: ['amd', 'simulated'] };
    expect(AppraisalPolicySchema.safeParse(both).success).toBe(false);
    const upper = { ...POLICY, platform: 'AMD' };
    expect(AppraisalPolicySchema.safeParse(upper).success).toBe(false);
  });
});
