import type { Violation } from './layers.ts';
import { readText } from './source-files.ts';

/** Rules for every committed text file, whatever its language. */

interface TextRule {
  readonly pattern: RegExp;
  /** What is wrong, given the match; undefined when this match is fine. */
  readonly problem: (match: RegExpExecArray) => string | undefined;
}

const BINARY = /\.(bin|der|parquet|arrow|png|jpg|gz|zip)$/;

/**
 * Hosts that a committed file may name. Everything else is refused: a registry's address in a
 * lockfile ties the build to one mirror, and an address in a source is a party nobody agreed on.
 */
const HOSTS: readonly RegExp[] = [
  // Names that are reserved for examples and tests (RFC 2606, RFC 6761), and this machine.
  /(^|\.)(example|test|invalid|localhost)$/,
  /(^|\.)example\.(com|org|net)$/,
  /^(127\.\d+\.\d+\.\d+|0\.0\.0\.0|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|169\.254\.169\.254)$/,
  // One label: a service of docker-compose.yml.
  /^[a-z][a-z-]*$/,
  // Identifiers that look like addresses: XML and JSON Schema name spaces, claim names, licences.
  /^(maven\.apache\.org|www\.w3\.org|json-schema\.org|www\.apache\.org|www\.asyncapi\.com)$/,
  /^(specs\.openid\.net|openid\.net|schemas\.microsoft\.com|schema\.management\.azure\.com)$/,
  // Documents that we cite.
  /^(www\.rfc-editor\.org|datatracker\.ietf\.org|csrc\.nist\.gov|nvlpubs\.nist\.gov)$/,
  /^(www\.amd\.com|docs\.amd\.com|learn\.microsoft\.com|cloudevents\.io|kafka\.apache\.org)$/,
  /^(nodejs\.org|duckdb\.org|arrow\.apache\.org|github\.com)$/,
  // Services of vendors whose answers we verify.
  /^kdsintf\.amd\.com$/,
  /\.(attest|vault|managedhsm)\.azure\.net$/,
];

const RULES: readonly TextRule[] = [
  {
    pattern: /\bhttps?:\/\/(?:[^\s/@"'`<>]+@)?(\[[^\]]*\]|[A-Za-z0-9.-]+)/g,
    problem: (match) => {
      const host = match[1] ?? '';
      const known = host.startsWith('[') || HOSTS.some((each) => each.test(host.toLowerCase()));
      return known ? undefined : `${host}: not a host that this repository may name (HOSTS)`;
    },
  },
  {
    pattern: /\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/g,
    problem: (match) => `${match[1]} without an issue: write ${match[1]}(#12) or do it now`,
  },
  {
    pattern: /(?<![\w.~-])\/(root|home\/\w+|Users\/\w+|work\/(main|shared))\b/g,
    problem: (match) => `${match[0]}: a path of somebody's machine`,
  },
  {
    pattern: /^(<{7}|>{7}) /gm,
    problem: () => 'a merge conflict',
  },
];

/** These files state the rules, or list hostile addresses: they have to spell what is forbidden. */
const EXEMPT = /^test\/architecture\/tidy|-corpus\.test\.ts$/;

export function tidyText(path: string): Violation[] {
  if (BINARY.test(path) || EXEMPT.test(path)) return [];
  return textViolations(path, readText(path));
}

export function textViolations(path: string, text: string): Violation[] {
  return RULES.flatMap(({ pattern, problem }) =>
    [...text.matchAll(pattern)].flatMap((match) => {
      const message = problem(match);
      const line = text.slice(0, match.index).split('\n').length;
      return message === undefined ? [] : [{ path, line, message }];
    }),
  );
}
