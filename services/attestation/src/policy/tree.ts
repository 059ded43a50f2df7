import { StrongroomError } from '@strongroom/protocol/errors';

/** A parsed attestation policy. Every part knows where it stands in the text, for refusals. */
export interface Position {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
}

export type ClaimValue = string | number | boolean;
export const CLAIM_PROPERTIES = ['type', 'value', 'valueType', 'issuer'] as const;
export type ClaimProperty = (typeof CLAIM_PROPERTIES)[number];
export const VALUE_TYPES = ['String', 'Integer', 'Boolean'] as const;
/** Whose word a claim is: the service's, the policy's own, or the attester's. */
export const CLAIM_ISSUERS = ['AttestationService', 'AttestationPolicy', 'CustomClaim'] as const;
export type ClaimIssuer = (typeof CLAIM_ISSUERS)[number];

export interface Claim {
  readonly type: string;
  readonly value: ClaimValue;
  readonly issuer: ClaimIssuer;
}

export const POLICY_VERSIONS = ['1.0', '1.1', '1.2'] as const;
export type PolicyVersion = (typeof POLICY_VERSIONS)[number];

/** With the number of its arguments. */
export const FUNCTIONS = {
  JmesPath: 2,
  JsonToClaimValue: 1,
  IsSubsetOf: 2,
  AppendString: 2,
  NegateBool: 1,
  ContainsOnlyValue: 2,
} as const;
export type FunctionName = keyof typeof FUNCTIONS;

export type Expression =
  | { readonly kind: 'literal'; readonly value: ClaimValue; readonly at: Position }
  | {
      readonly kind: 'property';
      readonly name: string;
      readonly property: ClaimProperty;
      readonly at: Position;
    }
  | {
      readonly kind: 'call';
      readonly called: FunctionName;
      readonly args: readonly Expression[];
      readonly at: Position;
    };

export const OPERATORS = ['==', '!=', '<', '<=', '>', '>='] as const;
export type Operator = (typeof OPERATORS)[number];

export interface PropertyTest {
  readonly property: ClaimProperty;
  readonly operator: Operator;
  readonly expression: Expression;
}

export interface Condition {
  readonly negated: boolean;
  readonly name?: string;
  readonly tests: readonly PropertyTest[];
}

/** `claim=c`, or a type and a value. */
export type ClaimSource =
  | { readonly from: 'name'; readonly name: string }
  | { readonly from: 'values'; readonly type: Expression; readonly value: Expression };

export type Action =
  | { readonly verb: 'permit' | 'deny' }
  | { readonly verb: 'add' | 'issue' | 'issueproperty'; readonly claim: ClaimSource };

export interface Rule {
  readonly conditions: readonly Condition[];
  readonly action: Action;
  readonly at: Position;
}

export const SECTIONS = ['configurationrules', 'authorizationrules', 'issuancerules'] as const;
export type Section = (typeof SECTIONS)[number];

export interface AttestationPolicy {
  readonly version: PolicyVersion;
  readonly rules: Readonly<Record<Section, readonly Rule[]>>;
}

/** What is wrong with a text, and where. */
export function malformed(expected: string, { line, column }: Position): StrongroomError {
  return new StrongroomError('ERR_ATTESTATION_POLICY_MALFORMED', { expected, line, column });
}
