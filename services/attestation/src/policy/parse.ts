import { StrongroomError } from '@strongroom/protocol/errors';
import {
  ATTESTATION_POLICY_BYTES_MAX,
  ATTESTATION_POLICY_RULES_MAX,
} from '@strongroom/protocol/limits';
import { type Cursor, createCursor } from './cursor.ts';
import { readTokens } from './lex.ts';
import { parseRule, type RuleScope } from './parse-rule.ts';
import {
  type AttestationPolicy,
  malformed,
  POLICY_VERSIONS,
  type PolicyVersion,
  type Rule,
  SECTIONS,
  type Section,
} from './tree.ts';

/**
 * Azure Attestation's policy grammar: version, then sections of claim rules. Everything that can be
 * known to fail is refused here, when the policy is set, and not when evidence comes.
 * @throws ERR_ATTESTATION_POLICY_MALFORMED with line and column, ERR_LIMIT_EXCEEDED
 */
export function parsePolicy(text: string): AttestationPolicy {
  if (Buffer.byteLength(text) > ATTESTATION_POLICY_BYTES_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'ATTESTATION_POLICY_BYTES_MAX' });
  }
  const cursor = createCursor(readTokens(text));
  const version = parseVersion(cursor);
  const rules = parseSections(cursor, version);
  return { version, rules };
}

function parseVersion(cursor: Cursor): PolicyVersion {
  cursor.demand('version');
  cursor.demand('=');
  const { at, text: major } = cursor.take();
  cursor.demand('.');
  const written = `${major}.${cursor.take().text}`;
  const version = POLICY_VERSIONS.find((each) => each === written);
  if (version === undefined) throw malformed(POLICY_VERSIONS.join(' or '), at);
  cursor.demand(';');
  return version;
}

function parseSections(cursor: Cursor, version: PolicyVersion): AttestationPolicy['rules'] {
  const sections = new Map<Section, Rule[]>();
  const known = version === '1.0' ? SECTIONS.slice(1) : SECTIONS;
  let count = 0;
  while (cursor.next().kind !== 'end') {
    const { text, at } = cursor.take();
    const section = known.find((each) => each === text);
    if (section === undefined || sections.has(section)) {
      throw malformed(`one of ${known.join(', ')}, each once`, at);
    }
    const rules = parseSectionRules(cursor, { section, version });
    sections.set(section, rules);
    count += rules.length;
    if (count > ATTESTATION_POLICY_RULES_MAX) {
      throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'ATTESTATION_POLICY_RULES_MAX' });
    }
  }
  const authorizationrules = sections.get('authorizationrules');
  // Without them nothing could ever be permitted.
  if (!authorizationrules) throw malformed('authorizationrules', cursor.next().at);
  return {
    configurationrules: sections.get('configurationrules') ?? [],
    authorizationrules,
    issuancerules: sections.get('issuancerules') ?? [],
  };
}

function parseSectionRules(cursor: Cursor, scope: RuleScope): Rule[] {
  cursor.demand('{');
  const rules: Rule[] = [];
  while (!cursor.skip('}')) rules.push(parseRule(cursor, scope));
  cursor.demand(';');
  return rules;
}
