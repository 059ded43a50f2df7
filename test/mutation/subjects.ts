/**
 * What is mutated, and the tests that are tried on it in this order: first those beside the code,
 * which end most mutants at once. The bit flips and the ten thousand mutants of evidence are left
 * out: they take longer than all the others together.
 */

const SOURCES = 'packages/attestation/src';

const BESIDE: Readonly<Record<string, readonly string[]>> = {
  'verify.ts': ['verify.test.ts'],
  'appraise.ts': ['appraise.test.ts'],
  'appraisal/policy.ts': ['appraise.test.ts'],
  'appraisal/mismatch.ts': ['appraise.test.ts'],
  'appraisal/versions.ts': ['appraise.test.ts'],
  'token.ts': ['token.test.ts', 'token-edges.test.ts'],
  'jwks.ts': [],
  'binding.ts': ['appraise.test.ts'],
  'report.ts': ['report.test.ts', 'verify.test.ts'],
  'roots.ts': ['verify.test.ts', 'insecure.test.ts'],
  'snp/advisories.ts': ['snp/advisories.test.ts', 'appraise.test.ts'],
  'snp/chain.ts': ['snp/chain.test.ts', 'verify.test.ts'],
  'snp/die.ts': ['snp/advisories.test.ts'],
  'snp/endorsement.ts': ['verify.test.ts'],
  'snp/layout.ts': ['report.test.ts', 'verify.test.ts'],
  'snp/policy.ts': ['snp/policy.test.ts', 'appraise.test.ts'],
  'snp/report-signature.ts': ['verify.test.ts'],
  'snp/revocation.ts': ['snp/revocation.test.ts'],
  'snp/tcb.ts': ['snp/tcb.test.ts', 'verify.test.ts'],
  'x509/certificate.ts': ['x509/certificate.test.ts', 'snp/chain.test.ts'],
  'x509/der.ts': ['x509/der.test.ts', 'x509/certificate.test.ts'],
  'x509/pem.ts': ['verify.test.ts'],
  'x509/revocation-list.ts': ['snp/revocation.test.ts'],
};

/** What owners and readers make of tokens and raw evidence together: nothing below them notices. */
const GUARDS: Readonly<Record<string, readonly string[]>> = {
  'agreement.ts': [`${SOURCES}/agreement.test.ts`],
  'own-verification.ts': [],
  'worker-proof.ts': [],
};
const EVERY_GUARD_TEST = [
  'services/analyst/src/guards.test.ts',
  'services/key-release/src/requester/guards.test.ts',
];

/** Release policies: claims are judged, not reports, so that no other test can notice. */
const POLICIES = 'release-policy/';
const POLICIES_BESIDE: Readonly<Record<string, readonly string[]>> = {
  'claim-types.ts': ['compile', 'real-claims'],
  'compile.ts': ['compile'],
  'contract-diff.ts': ['contract-diff'],
  'diff.ts': ['diff', 'contract-diff', 'entailment'],
  'entailment.ts': ['diff', 'entailment'],
  'evaluate.ts': ['evaluate', 'explain'],
  'explain.ts': ['explain'],
  'from-contract.ts': ['from-contract', 'real-claims'],
  'quoted.ts': ['repeated-member', 'explain'],
  'repeated-member.ts': ['repeated-member', 'compile'],
  'value-set.ts': ['diff', 'entailment'],
  'wording.ts': ['explain', 'diff'],
};
const EVERY_POLICY_TEST = [
  'test/conformance/release-policy-broken.test.ts',
  'test/conformance/release-policy-pairs.test.ts',
];

const EVERY_TEST = [
  ...['verify', 'appraise', 'report', 'snp/chain', 'x509/certificate', 'x509/der'].map(
    (name) => `${SOURCES}/${name}.test.ts`,
  ),
  ...['revocation', 'policy', 'advisories', 'tcb'].map((name) => `${SOURCES}/snp/${name}.test.ts`),
  `${SOURCES}/snp/certificate-table.test.ts`,
  `${SOURCES}/insecure.test.ts`,
  ...['cases', 'verdicts', 'disguises', 'properties', 'lattice'].map(
    (name) => `test/conformance/attestation-${name}.test.ts`,
  ),
  'test/conformance/attestation.test.ts',
];

const TOKEN_TESTS = ['attestation-tokens', 'attestation-key-sets', 'attestation'].map(
  (name) => `test/conformance/${name}.test.ts`,
);

/** Paths from the root of the repository. */
export const SUBJECTS: readonly string[] = [
  ...Object.keys(BESIDE),
  ...Object.keys(GUARDS),
  ...Object.keys(POLICIES_BESIDE).map((name) => `${POLICIES}${name}`),
].map((name) => `${SOURCES}/${name}`);

/** The test files for a subject, the quickest to notice first. Tokens have tests of their own. */
export function testsFor(subject: string): readonly string[] {
  const name = subject.slice(SOURCES.length + 1);
  if (name.startsWith(POLICIES)) return policyTestsFor(name.slice(POLICIES.length));
  const guards = GUARDS[name];
  if (guards) return [...guards, ...EVERY_GUARD_TEST];
  const beside = (BESIDE[name] ?? []).map((each) => `${SOURCES}/${each}`);
  if (name === 'token.ts' || name === 'jwks.ts') return [...beside, ...TOKEN_TESTS];
  return [...new Set([...beside, ...EVERY_TEST])];
}

/** The words of explanations and differences are tested beside them alone. */
function policyTestsFor(name: string): readonly string[] {
  const tests = (POLICIES_BESIDE[name] ?? []).map(
    (each) => `${SOURCES}/${POLICIES}${each}.test.ts`,
  );
  const judges = ['claim-types.ts', 'compile.ts', 'evaluate.ts', 'repeated-member.ts'];
  return judges.includes(name) ? [...tests, ...EVERY_POLICY_TEST] : tests;
}

export const ALL_TESTS: readonly string[] = [
  ...new Set([...SUBJECTS.flatMap(testsFor), ...EVERY_TEST]),
];
