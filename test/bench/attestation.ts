import { constants, type KeyObject, verify } from 'node:crypto';
import { type AppraisalPolicy, appraiseEvidence } from '@strongroom/attestation/appraise';
import { measureImage, simulatedRoots } from '@strongroom/attestation/insecure';
import { parseReport, SIGNED_BYTES } from '@strongroom/attestation/report';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { parseCertificate, publicKeyOf } from '@strongroom/attestation/x509/certificate';
import { parsePemCertificates } from '@strongroom/attestation/x509/pem';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { type Measured, median } from './measured.ts';

/**
 * One report with its chain, verified and appraised. The baseline of verification is what nobody
 * can leave out: one ECDSA signature and the two RSA signatures below the root, with keys that are
 * parsed before. That of appraisal is its budget.
 */

const ROUNDS = 300;
const APPRAISAL_BUDGET_MS = 0.2;
const CLAIMS = new TextEncoder().encode('{"purpose":"bench"}');
const IMAGE = [CLAIMS];

export async function benchAttestation(): Promise<Measured[]> {
  const { folder, platform } = await sharedTestPlatform();
  const roots = simulatedRoots(folder);
  const guest = platform.launch({ image: IMAGE, hostData: new Uint8Array(32) });
  const evidence = await evidenceOf(guest, CLAIMS);
  const bare = bareSignatures(evidence);
  const verified = verifyEvidence(evidence, { roots, clock: systemClock });
  const times = { verify: [] as number[], bare: [] as number[], appraise: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    times.bare.push(timed(bare));
    times.verify.push(timed(() => verifyEvidence(evidence, { roots, clock: systemClock })));
    times.appraise.push(timed(() => appraiseEvidence(verified, POLICY)));
  }
  if (!appraiseEvidence(verified, POLICY).accepted) throw new TypeError('the bench is refused');
  const verification = median(times.verify);
  return [
    measured(
      'verify a report and its chain, against its bare signatures',
      verification,
      median(times.bare),
    ),
    measured('appraise a report, against its budget', median(times.appraise), APPRAISAL_BUDGET_MS),
  ];
}

const floor = { bootLoader: 0, tee: 0, snp: 0, microcode: 0 };
const POLICY: AppraisalPolicy = {
  platform: 'simulated',
  minimumTcb: { Genoa: floor },
  floorPreset: '2026-05',
  measurements: [measureImage(IMAGE)],
  hostData: '00'.repeat(32),
  platformInfo: { required: ['alias-check'], forbidden: ['tsme'] },
  killList: { chipIds: Array.from({ length: 100 }, (_, index) => `${index}`.padStart(128, '0')) },
};

/** The three verifications alone, on bytes and keys that are ready. */
function bareSignatures(evidence: Evidence): () => void {
  const report = new Uint8Array(Buffer.from(evidence.report, 'base64url'));
  const certificates = parsePemCertificates(evidence.certificateChain).map(parseCertificate);
  const [leaf, intermediate, root] = certificates;
  if (!leaf || !intermediate || !root) throw new TypeError('the chain has three certificates');
  const { r, s } = parseReport(report).signature;
  const signature = Buffer.concat([r.toReversed(), s.toReversed()]);
  const signed = report.subarray(0, SIGNED_BYTES);
  const leafKey = { key: publicKeyOf(leaf), dsaEncoding: 'ieee-p1363' as const };
  const [intermediateKey, rootKey] = [publicKeyOf(intermediate), publicKeyOf(root)].map(pss);
  return () => {
    verify('sha384', leaf.tbs, intermediateKey ?? '', leaf.signature);
    verify('sha384', intermediate.tbs, rootKey ?? '', intermediate.signature);
    verify('sha384', signed, leafKey, signature);
  };
}

function pss(key: KeyObject) {
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
}

function timed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

/** Of times, where less is better: the ratio is turned over, so that 1 is as fast here too. */
function measured(name: string, ours: number, baseline: number): Measured {
  return {
    name,
    ours: Number(ours.toFixed(3)),
    baseline: Number(baseline.toFixed(3)),
    ratio: Number((baseline / ours).toFixed(2)),
    unit: 'ms',
  };
}
