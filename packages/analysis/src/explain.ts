import type { RuleLimits } from '@strongroom/protocol/analysis-rules';
import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { type ErrorCode, type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import type { PartyId, QueryId } from '@strongroom/protocol/fields';
import { demandLeases, withoutLease } from '@strongroom/protocol/privacy';
import type { LockedEngine } from './locked-engine.ts';
import { planPrivateQuery } from './private-plan.ts';
import { Problems } from './problems.ts';
import { besides, querySetOf } from './query-sets.ts';
import { isWeightedBy, type Judgement, type Match } from './rule-judge.ts';
import { rulesOf } from './rules.ts';
import { planSharedRows } from './shared-rows.ts';
import { demandSliced, planSlices } from './slice-plan.ts';
import { checkQuery } from './sql-gate.ts';

/** What a query can reveal about the rows of each owner, or why no vault would run it. */
export interface QueryExplanation {
  readonly query: Query;
  /** Every reason that can be seen, in the order of the judging; none: it may run. */
  readonly refusals: readonly Refusal[];
  readonly limits: RuleLimits;
  /**
   * Exact queries over the same rows; and whether groups are withheld for them, or for its windows.
   */
  readonly besides: readonly QueryId[];
  readonly isCompared: boolean;
  /** Owners whose noise two branches of results would average, and that accept it. */
  readonly withoutLease: readonly PartyId[];
  /** Empty where the query is refused. */
  readonly owners: readonly OwnerExplanation[];
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;
}

export interface OwnerExplanation {
  readonly owner: PartyId;
  readonly relation: string;
  /** Whether the owner's dataset has rules at all. */
  readonly isRuled: boolean;
  /** Readers see these values; `isWhole`: as they are, not after an expression. */
  readonly shown: readonly { readonly column: string; readonly isWhole: boolean }[];
  /** Readers see what these functions make of all values of a group. */
  readonly folded: readonly { readonly column: string; readonly by: readonly string[] }[];
  /** They decide which rows or groups count. */
  readonly chosen: readonly string[];
  /** They are compared with columns of other tables. */
  readonly joined: readonly string[];
  readonly matches: readonly MatchExplanation[];
  /** Who may have several rows of a key, and so count what is folded several times. */
  readonly weighedBy: readonly PartyId[];
  readonly counted: string | undefined;
  /** No expression that leaves or decides anything reads them. */
  readonly unread: readonly string[];
}

/** A join key, what it is compared with, and how many of it match as readers are told. */
export interface MatchExplanation {
  readonly column: string;
  readonly other: { readonly relation: string; readonly column: string };
  /** Owners of the other table, but for this one. */
  readonly owners: readonly PartyId[];
  /** As contracts name it, with the key that it is hashed with. */
  readonly form: string;
  /** Absent where nobody else's rows are there, or the rows are about nobody. */
  readonly told?: 'exactly' | 'with noise';
  readonly rowsPerKey?: number;
}

/** Asks the same gate and the same rules as a vault does. @throws ERR_VAULT_MEMORY */
export async function explainQuery(
  engine: LockedEngine,
  contract: Contract,
  query: Query,
): Promise<QueryExplanation> {
  const { limits } = rulesOf(contract, query);
  const problems = new Problems();
  const others = besides(contract, query).map(({ id }) => id);
  const isCompared = querySetOf(contract, query) !== undefined;
  const leaseless = withoutLease(contract, query);
  const told = { query, limits, besides: others, isCompared, withoutLease: leaseless };
  try {
    demandLeases(contract, query);
    const checked = await checkQuery(engine, contract, query, problems);
    // A query with noise runs by its plan, never as its text says.
    const plan = query.privacy && (await planPrivateQuery(engine, contract, query));
    await planSharedRows(engine, contract, query);
    if (plan) await demandSliced(engine, contract, plan);
    else await planSlices(engine, contract, checked);
    return { ...told, refusals: [], owners: ownersTold(contract, query, checked) };
  } catch (error) {
    if (!(error instanceof StrongroomError) || error.code === 'ERR_VAULT_MEMORY') throw error;
    const all = problems.any ? problems.all : [error];
    const refusals = all.map(({ code, facts }) => ({ code, facts: { ...facts, query: query.id } }));
    return { ...told, refusals, owners: [] };
  }
}

function ownersTold(
  contract: Contract,
  query: Query,
  { reads, matches, weighings }: Pick<Judgement, 'reads' | 'matches' | 'weighings'>,
): OwnerExplanation[] {
  const { relations, limits, hasNoise } = rulesOf(contract, query);
  return query.relations.flatMap((relation) => {
    const rules = relations.get(relation);
    const own = reads.filter(({ origin }) => origin.relation === relation);
    const told = whatIsRead(own, [...(rules?.types.keys() ?? [])]);
    const counted = limits.minimumContributors && rules?.contributor;
    const datasets = datasetsOf(contract, relation);
    const compared = distinct(matches.filter(({ origin }) => origin.relation === relation));
    return (rules?.owners ?? []).map((owner): OwnerExplanation => {
      const isRuled = datasets.some((each) => each.owner === owner && each.rules !== undefined);
      const matched = compared.map(({ origin, other }): MatchExplanation => {
        const others = relations.get(other.relation)?.owners ?? [];
        const owners = others.filter((each) => each !== owner);
        // Where there are no rules, nobody said whom rows are about.
        const isOfPeople = rules?.isRuled === false || rules?.contributor !== undefined;
        const form = rules?.forms.get(origin.column) ?? '';
        const rowsPerKey = rules?.columns.get(origin.column)?.joinKey?.rowsPerKey;
        return {
          ...{ column: origin.column, other, owners, form },
          ...(owners.length > 0 && isOfPeople ? { told: hasNoise ? 'with noise' : 'exactly' } : {}),
          ...(rowsPerKey === undefined || hasNoise ? {} : { rowsPerKey }),
        };
      });
      const isWeighed = told.folded.some(({ column, by }) => {
        const isMeasure = !isRuled || rules?.columns.get(column)?.measure !== undefined;
        return isMeasure && by.some(isWeightedBy);
      });
      const weighers = weighings.filter((each) => isWeighed && each.relation === relation);
      const ofWeighers = weighers.flatMap(({ by }) => relations.get(by)?.owners ?? []);
      const weighedBy = [...new Set(ofWeighers)].filter((each) => each !== owner);
      return { owner, relation, isRuled, counted, weighedBy, ...told, matches: matched };
    });
  });
}

function distinct(matches: Judgement['matches']): Judgement['matches'] {
  const keyOf = ({ origin, other }: Match) => JSON.stringify([origin, other]);
  return [...new Map(matches.map((match) => [keyOf(match), match])).values()];
}

function whatIsRead(reads: Judgement['reads'], names: readonly string[]) {
  const whole = new Map<string, boolean>();
  const folded = new Map<string, Set<string>>();
  const chosen = new Set<string>();
  const joined = new Set<string>();
  for (const { origin, use } of reads) {
    const { column } = origin;
    if (use.kind === 'shown') whole.set(column, use.isWhole || (whole.get(column) ?? false));
    if (use.kind === 'folded') folded.set(column, (folded.get(column) ?? new Set()).add(use.by));
    if (use.kind === 'chosen') chosen.add(column);
    if (use.kind === 'joined') joined.add(column);
  }
  const read = new Set([...whole.keys(), ...folded.keys(), ...chosen, ...joined]);
  return {
    shown: [...whole].map(([column, isWhole]) => ({ column, isWhole })),
    folded: [...folded].map(([column, by]) => ({ column, by: [...by] })),
    chosen: [...chosen],
    joined: [...joined],
    unread: names.filter((name) => !read.has(name)),
  };
}
