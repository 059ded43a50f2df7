import { compileReleasePolicy, evaluatePolicy } from '@strongroom/attestation/release-policy';
import { seededRandom } from '@strongroom/testkit/seeded-random';
import { expect, test } from 'vitest';
import { randomPair } from './release-policy-pairs.ts';
import { readTree, secondOpinion } from './release-policy-second-evaluator.ts';

const PAIRS = process.env['STRONGROOM_LONG'] === '1' ? 100_000 : 20_000;
const SEED = 20_261_125;

test(`two evaluators agree on ${PAIRS} policies and claims`, () => {
  const random = seededRandom(SEED);
  const texts = new Set<string>();
  const seen = new Map<string, number>();
  const disagreements: object[] = [];
  let granted = 0;
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const { policy, claims } = randomPair(random);
    const verdict = evaluatePolicy(compileReleasePolicy(policy), JSON.parse(claims));
    if (verdict.granted !== secondOpinion(policy, claims)) disagreements.push({ policy, claims });
    if (verdict.granted) granted += 1;
    texts.add(`${policy}\n${claims}`);
    const allMet = verdict.reasons.length > 0 && verdict.reasons.every((each) => each.met);
    if (allMet !== verdict.granted) disagreements.push({ policy, claims, verdict });
    for (const { claim, operator, met, found } of verdict.reasons) {
      const depth = claim.split('.').length;
      const kind = found === null ? 'missing' : /^\(/.test(found) ? found : 'scalar';
      for (const each of [`${operator} ${met}`, `depth ${depth} ${met}`, `${kind} ${met}`]) {
        seen.set(each, (seen.get(each) ?? 0) + 1);
      }
    }
  }
  expect(disagreements).toEqual([]);
  // Pairs that repeat or always end alike would prove little.
  expect(texts.size).toBeGreaterThan(0.99 * PAIRS);
  expect(granted / PAIRS).toBeGreaterThan(0.2);
  expect(granted / PAIRS).toBeLessThan(0.8);
  const orders = ['less', 'lessOrEquals', 'greater', 'greaterOrEquals'];
  for (const what of [
    'equals',
    'notEquals',
    'exists',
    ...orders,
    'depth 1',
    'depth 2',
    'depth 3',
  ]) {
    for (const met of [true, false]) expect(seen.get(`${what} ${met}`), what).toBeGreaterThan(50);
  }
  for (const what of ['missing false', '(list) false', '(object) false', '(null) false']) {
    expect(seen.get(what), what).toBeGreaterThan(50);
  }
});

test('the second evaluator reads JSON as JSON.parse does', () => {
  const random = seededRandom(SEED + 1);
  const plain = (tree: ReturnType<typeof readTree>): unknown => {
    if (tree.kind === 'list') return tree.items.map(plain);
    if (tree.kind === 'text') return tree.text;
    if (tree.kind !== 'object') return JSON.parse(tree.kind === 'word' ? tree.word : tree.spelling);
    return Object.fromEntries(tree.members.map(([name, value]) => [name, plain(value)]));
  };
  for (let pair = 0; pair < 500; pair += 1) {
    const { policy, claims } = randomPair(random);
    for (const text of [policy, claims]) expect(plain(readTree(text))).toEqual(JSON.parse(text));
  }
});
