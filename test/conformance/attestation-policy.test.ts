import { StrongroomError } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { evaluatePolicy } from '../../services/attestation/src/policy/evaluate.ts';
import { parsePolicy } from '../../services/attestation/src/policy/parse.ts';
import { PUBLISHED, type PublishedPolicy } from './attestation-policies.ts';

function judge({ text, claims }: PublishedPolicy): PublishedPolicy['outcome'] {
  const incoming = Object.entries(claims).map(([type, value]) => ({
    type,
    value,
    issuer: 'AttestationService' as const,
  }));
  try {
    const { permitted, issued } = evaluatePolicy(parsePolicy(text), incoming);
    if (!permitted) return 'denied';
    return Object.fromEntries(issued.map(({ type, value }) => [type, value]));
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    if (error.code !== 'ERR_ATTESTATION_POLICY_MALFORMED') throw error;
    return { broken: `${error.facts['line']}:${error.facts['column']}` };
  }
}

describe("Azure Attestation's published policies", () => {
  test.each(PUBLISHED)('$name', (policy) => {
    expect(judge(policy)).toEqual(policy.outcome);
  });
});
