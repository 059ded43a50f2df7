import { compileReleasePolicy } from '@strongroom/attestation/release-policy';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { expect, test } from 'vitest';
import { brokenPolicies, VALID_POLICIES } from './release-policy-broken.ts';

const broken = [...brokenPolicies()];

test('the policies that are broken on purpose are valid before', () => {
  for (const policy of VALID_POLICIES) {
    expect(() => compileReleasePolicy(JSON.stringify(policy))).not.toThrow();
  }
});

test('more than 1,000 broken policies are all refused when they are set, at their place', () => {
  const wrong: object[] = [];
  for (const { kind, text, place } of broken) {
    let thrown: unknown;
    try {
      compileReleasePolicy(text);
    } catch (error) {
      thrown = error;
    }
    const facts = thrown instanceof StrongroomError ? thrown.facts : {};
    const found = { code: codeOf(thrown), place: facts['place'] };
    if (found.code !== 'ERR_POLICY_MALFORMED' || found.place !== place || !facts['problem']) {
      wrong.push({ kind, text: text.slice(0, 300), expected: place, ...found });
    }
  }
  expect(wrong).toEqual([]);
  expect(new Set(broken.map(({ text }) => text)).size).toBeGreaterThan(1_000);
});

test('the thousand are of many kinds', () => {
  const counts = new Map<string, number>();
  for (const { kind } of broken) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  expect(counts.size).toBeGreaterThanOrEqual(10);
  expect(broken.length - Math.max(...counts.values())).toBeGreaterThan(1_000);
});
