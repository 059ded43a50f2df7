import { hash } from 'node:crypto';
import {
  type AnalysisRules,
  type ColumnRule,
  type RuleLimits,
  stricterLimits,
  stricterOf,
} from '@strongroom/protocol/analysis-rules';
import { formText } from '@strongroom/protocol/canonical-form';
import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import type { PartyId } from '@strongroom/protocol/fields';
import { isProtected } from './query-sets.ts';
import { type TypeName, typeNameOf } from './sql-types.ts';

/** What a query has to keep to: the rules of all datasets that it reads, the strictest of each. */
export interface QueryRules {
  readonly relations: ReadonlyMap<string, RelationRules>;
  readonly limits: RuleLimits;
  /** What it tells has noise: then it may also tell how many contributors there are. */
  readonly hasNoise: boolean;
  /** Whether parts of a group, and not the group alone, have to be large enough. */
  readonly isProtected: boolean;
  /** Owners that did not approve of the query as it is. */
  readonly notApprovedBy: readonly PartyId[];
}

export interface RelationRules {
  readonly columns: ReadonlyMap<string, ColumnRule>;
  /** False where no dataset of the relation has rules: then `columns` says nothing. */
  readonly isRuled: boolean;
  /** Of its columns, as the engine holds them. */
  readonly types: ReadonlyMap<string, TypeName>;
  /** In which canonical form each column's values are, as text that may be compared. */
  readonly forms: ReadonlyMap<string, string>;
  readonly owners: readonly PartyId[];
  /** Which bit of 64 marks the rows of each. */
  readonly ownerIndexes: readonly number[];
  /** The column that names whom a row is about. */
  readonly contributor: string | undefined;
  readonly joinRequired: boolean;
  readonly eventTime: string | undefined;
}

export function rulesOf(contract: Contract, query: Query): QueryRules {
  const datasets = query.relations.flatMap((relation) => datasetsOf(contract, relation));
  const sqlSha256 = sqlDigest(query);
  const refusing = datasets.filter(({ rules }) => {
    const approved = rules?.approvedQueries;
    return approved?.every((each) => each.id !== query.id || each.sqlSha256 !== sqlSha256);
  });
  return {
    relations: new Map(
      query.relations.map((relation) => [relation, relationRules(contract, relation)]),
    ),
    limits: datasets.reduce<RuleLimits>(
      (limits, { rules }) => stricterLimits(limits, rules ?? {}),
      {},
    ),
    hasNoise: query.privacy !== undefined,
    isProtected: isProtected(contract, query),
    notApprovedBy: [...new Set(refusing.map(({ owner }) => owner))],
  };
}

/** What an owner approves of by `approvedQueries`. */
export function sqlDigest({ sql }: Pick<Query, 'sql'>): string {
  return hash('sha256', sql, 'hex');
}

function relationRules(contract: Contract, relation: string): RelationRules {
  const datasets = datasetsOf(contract, relation);
  const merged = datasets.reduce<AnalysisRules | undefined>(
    (rules, dataset) => stricterOf(rules, dataset.rules),
    undefined,
  );
  const columns = new Map(Object.entries(merged?.columns ?? {}));
  const owners = [...new Set(datasets.map(({ owner }) => owner))];
  return {
    columns,
    isRuled: merged !== undefined,
    types: new Map(datasets[0]?.columns.map((column) => [column.name, typeNameOf(column)])),
    forms: new Map(datasets[0]?.columns.map((column) => [column.name, formText(column)])),
    owners,
    ownerIndexes: owners.map((owner) => ownerIndexOf(contract, owner)),
    contributor: [...columns].find(([, rule]) => rule.contributor)?.[0],
    joinRequired: merged?.joinRequired ?? false,
    eventTime: datasets[0]?.eventTime,
  };
}

/** A hidden column of each relation's view: the owner of the row as one bit of 64. */
export const OWNER_BIT_COLUMN = 'owner bit';

/** Of an owner among those of the contract: its bit marks its rows. There are at most 64. */
export function ownerIndexOf(contract: Contract, owner: PartyId): number {
  return [...new Set(contract.datasets.map((dataset) => dataset.owner))].indexOf(owner);
}

/** A value of a domain, or one that is compared with it; null is no text. */
export function domainText(value: unknown): string {
  return value === null ? 'null' : `=${String(value)}`;
}
