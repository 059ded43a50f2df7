import { StrongroomError } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { evaluatePolicy } from '../../services/attestation/src/policy/evaluate.ts';
import { parsePolicy } from '../../services/attestation/src/policy/parse.ts';
import { readPolicyDocument } from '../../services/attestation/src/policy-document.ts';
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

/** From the example "Set_Policy" of the service's REST specification, version 2022-08-01. */
const PUBLISHED_JWS = [
  'eyJhbGciOiJub25lIn0',
  'eyJBdHRlc3RhdGlvblBvbGljeSI6ICJEUXAyWlhKemFXOXVQVEV1TURzTkNtRjFkR2h2Y21sNllYUnBiMjV5ZFd4bGN5QjdJRDAtSUhCbGNtMXBkQ2dwT3lCOU93MEthWE56ZFdGdVkyVnlkV3hsY3lCN2ZUcyJ9',
  '',
].join('.');

test('the policy in the published example of a request is taken, and names no signer', async () => {
  const document = await readPolicyDocument(PUBLISHED_JWS, []);
  expect(evaluatePolicy(document.policy, [])).toEqual({
    permitted: true,
    issued: [],
    properties: [],
  });
  expect(document).not.toHaveProperty('signer');
});
