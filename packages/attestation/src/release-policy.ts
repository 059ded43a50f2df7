/**
 * Release policies: what must be true of an attestation token before an owner's key is released.
 * Azure Key Vault's grammar 1.0.0, compiled when a policy is set and refused when not understood.
 * See release-policy/README.md for the rules and their reasons.
 */
export {
  type CompiledPolicy,
  compileReleasePolicy,
  type Operator,
} from './release-policy/compile.ts';
export { diffContracts, type IdentifiedContract } from './release-policy/contract-diff.ts';
export { diffLines, diffPolicies, type PolicyDiff, type Relation } from './release-policy/diff.ts';
export { evaluatePolicy, type PolicyVerdict, type Reason } from './release-policy/evaluate.ts';
export {
  demandLines,
  explainToken,
  SUPPOSED_GUARDS,
  type TokenExplanation,
  tokenLines,
  withoutAddedClaims,
} from './release-policy/explain.ts';
export {
  DENY_ALL_POLICY,
  type ReleasePolicy,
  releasePolicyFor,
} from './release-policy/from-contract.ts';
