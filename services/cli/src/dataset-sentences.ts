import { isWidening } from '@strongroom/protocol/amendment';
import { MEASURE_FUNCTIONS } from '@strongroom/protocol/analysis-rules';
import { COLUMN_TYPES, type ColumnType, type Contract } from '@strongroom/protocol/contract';
import {
  allOf,
  changing,
  type Found,
  fromTo,
  revealing,
  rises,
  type Sentence,
  type SentenceRule,
  shown,
  tightening,
  trusting,
  turn,
} from './amendment-sentence.ts';
import { isObject } from './json.ts';

/** Datasets, their columns and keys, and what their owners let queries do with them. */
export const DATASET_SENTENCES: readonly SentenceRule[] = [
  ['datasets/*', dataset],
  ['datasets/*/owner', (at) => trusting(`dataset ${at.names[0]} changes hands ${fromTo(at)}`)],
  [
    'datasets/*/relation',
    (at) => revealing(`queries read dataset ${at.names[0]} under another table: ${fromTo(at)}`),
  ],
  ['datasets/*/columns/*', column],
  ['datasets/*/columns/*/type', columnType],
  [
    'datasets/*/columns/*/nullable',
    (at) => changing(`whether column ${ofDataset(at)} may be missing goes ${fromTo(at)}`),
  ],
  [
    'datasets/*/columns/*/precision',
    (at) => changing(`digits of column ${ofDataset(at)} ${fromTo(at)}`),
  ],
  [
    'datasets/*/columns/*/scale',
    (at) => changing(`digits behind the point of column ${ofDataset(at)} ${fromTo(at)}`),
  ],
  [
    'datasets/*/columns/*/canonical/**',
    (at) => changing(`the canonical form of column ${ofDataset(at)} changes`, [fromTo(at)]),
  ],
  [
    'datasets/*/eventTime',
    (at) => changing(`windows of dataset ${at.names[0]} are cut by another column: ${fromTo(at)}`),
  ],
  [
    'datasets/*/eventTimes/**',
    (at) => changing(`event times that rows of dataset ${at.names[0]} may have: ${fromTo(at)}`),
  ],
  [
    'datasets/*/keyId',
    (at) => trusting(`dataset ${at.names[0]} is under another key: ${fromTo(at)}`),
  ],
  [
    'datasets/*/wrappingKey/**',
    (at) =>
      trusting(`rows of dataset ${at.names[0]} are sealed to another wrapping key`, [fromTo(at)]),
  ],
  [
    'datasets/*/keyShares/**',
    (at) =>
      trusting(`who keeps the key of dataset ${at.names[0]} changes`, [
        placeBelow(at, 2),
        ...allOf(at.before).map((line) => `- ${line}`),
        ...allOf(at.after).map((line) => `+ ${line}`),
      ]),
  ],
  [
    'datasets/*/streams/**',
    (at) =>
      changing(`the streams of dataset ${at.names[0]} change`, [
        `${placeBelow(at, 2)} ${fromTo(at)}`,
      ]),
  ],
  [
    'datasets/*/partitionBy',
    (at) =>
      changing(`rows of dataset ${at.names[0]} are shared out to its streams by another column`, [
        fromTo(at),
      ]),
  ],
  ['datasets/*/rules', rules],
  ['datasets/*/rules/columns/*', ruledColumn],
  ['datasets/*/rules/columns/*/*', use],
  [
    'datasets/*/rules/columns/*/dimension/values',
    (at) => limits(at, `values that column ${ofDataset(at)} may be grouped by`),
  ],
  [
    'datasets/*/rules/columns/*/dimension/values/*',
    (at) => allows(at, `column ${ofDataset(at)} may be grouped by ${shown(at.names[2])}`),
  ],
  ['datasets/*/rules/columns/*/measure/functions', measureFunctions],
  [
    'datasets/*/rules/columns/*/measure/functions/*',
    (at) => allows(at, `${at.names[2]} may be taken over column ${ofDataset(at)}`),
  ],
  ['datasets/*/rules/columns/*/measure/weights', weights],
  [
    'datasets/*/rules/columns/*/measure/*',
    (at) => changing(`${at.names[2]} of the measure ${ofDataset(at)} goes ${fromTo(at)}`),
  ],
  ['datasets/*/rules/columns/*/joinKey/matches', matches],
  [
    'datasets/*/rules/columns/*/joinKey/rowsPerKey',
    (at) => changing(`rows of each key of column ${ofDataset(at)} in a join: ${fromTo(at)}`),
  ],
  ['datasets/*/rules/minimumContributors', (at) => minimum(at, 'distinct contributors')],
  [
    'datasets/*/rules/minimumContributors/*',
    (at) => minimum(at, `distinct contributors (${at.names[1]})`),
  ],
  ['datasets/*/rules/functions', (at) => limits(at, `functions over dataset ${at.names[0]}`)],
  [
    'datasets/*/rules/functions/*',
    (at) => allows(at, `queries may call ${at.names[1]} over dataset ${at.names[0]}`),
  ],
  ['datasets/*/rules/maximumGroups', maximumGroups],
  ['datasets/*/rules/joinRequired', joinRequired],
  [
    'datasets/*/rules/approvedQueries',
    (at) => limits(at, `queries that may read dataset ${at.names[0]}`),
  ],
  [
    'datasets/*/rules/approvedQueries/*',
    (at) => allows(at, `query ${at.names[1]} may read dataset ${at.names[0]}`),
  ],
  [
    'datasets/*/rules/approvedQueries/*/sqlSha256',
    (at) =>
      revealing(
        `query ${at.names[1]} may read dataset ${at.names[0]} in other words than were approved`,
        [fromTo(at)],
      ),
  ],
];

const ofDataset = ({ names: [id, name] }: Found) => `${name} of dataset ${id}`;
const placeBelow = ({ path }: Found, depth: number) => path.slice(depth).join('.');

function dataset({ names: [id], old, now, ...at }: Found): Sentence {
  const ownerIn = (contract: Contract) =>
    contract.datasets.find((each) => each.id === id)?.owner ?? 'nobody';
  if (turn(at) === 'removed') return tightening(`takes dataset ${id} of ${ownerIn(old)} away`);
  const text = `${ownerIn(now)} brings in dataset ${id}, whose budgets begin unspent`;
  return revealing(text, allOf(at.after));
}

function column(at: Found): Sentence {
  if (turn(at) === 'removed') return changing(`takes column ${ofDataset(at)} away`);
  const { type, nullable, since } = isObject(at.after) ? at.after : {};
  const missing = nullable === true ? ', which may be missing' : '';
  const lacking = since === undefined ? '' : ', also in sources without the column';
  return revealing(`adds column ${ofDataset(at)}: ${type}${missing}${lacking}`);
}

function columnType(at: Found): Sentence {
  const [before, after] = [at.before, at.after].map(typeIn);
  const text = `column ${ofDataset(at)} becomes ${shown(at.after)}, before ${shown(at.before)}`;
  const isWider = before !== undefined && after !== undefined && isWidening(before, after);
  return changing(isWider ? `${text}: every value is kept` : text);
}

function typeIn(value: unknown): ColumnType | undefined {
  return COLUMN_TYPES.find((each) => each === value);
}

function rules({ names: [id], ...at }: Found): Sentence {
  if (turn(at) !== 'removed') {
    return tightening(`dataset ${id} gets rules: a column without one is hidden`, allOf(at.after));
  }
  return revealing(`dataset ${id} loses its rules: queries may use every column`, allOf(at.before));
}

function ruledColumn(at: Found): Sentence {
  if (turn(at) === 'removed') return tightening(`column ${ofDataset(at)} becomes hidden`);
  const uses = Object.keys(isObject(at.after) ? at.after : {}).map(useText);
  const as = uses.join(' and ') || 'named, and stays hidden';
  return revealing(`column ${ofDataset(at)} becomes ${as}; it was hidden`, allOf(at.after));
}

const USES: Readonly<Record<string, string>> = {
  dimension: 'a dimension',
  measure: 'a measure',
  joinKey: 'a join key',
  contributor: 'the contributor',
};
const useText = (use: string) => USES[use] ?? use;

function use(at: Found): Sentence {
  const [, , as = ''] = at.names;
  const text = `column ${ofDataset(at)}`;
  if (as === 'contributor') {
    const named = turn(at) === 'removed' ? 'no longer names' : 'names';
    return revealing(`${text} ${named} the contributors, of whom the minimum is counted`);
  }
  if (turn(at) === 'removed') return tightening(`${text} is no longer ${useText(as)}`);
  if (turn(at) === 'added') return revealing(`${text} becomes ${useText(as)}`, allOf(at.after));
  return revealing(`what ${text} may be used for changes: ${as}`, [fromTo(at)]);
}

function matches(at: Found): Sentence {
  const text = `how many of column ${ofDataset(at)} match another owner's`;
  return at.after === 'exact'
    ? revealing(`${text} may be told without noise`)
    : tightening(`${text} is told with noise only`);
}

function weights(at: Found): Sentence {
  const text = `give the values of column ${ofDataset(at)} a weight each`;
  return at.after === 'accepted'
    ? revealing(`another owner may ${text}`)
    : tightening(`no other owner may ${text} any longer`);
}

/** A list of what alone is allowed: without it everything is. */
function limits(at: Found, what: string): Sentence {
  if (turn(at) === 'added') return tightening(`limits the ${what} to ${shown(at.after)}`);
  if (turn(at) === 'removed') return revealing(`no longer limits the ${what}`, [fromTo(at)]);
  return revealing(`changes the ${what}`, [fromTo(at)]);
}

/** Absent, they are all but those that show one row's value. */
function measureFunctions(at: Found): Sentence {
  const [before, after] = [at.before, at.after].map((each) =>
    Array.isArray(each) ? each.map(String) : MEASURE_FUNCTIONS,
  );
  const more = (after ?? []).filter((name) => !before?.some((each) => each === name));
  const text = `the functions over column ${ofDataset(at)} are others`;
  return (more.length > 0 ? revealing : tightening)(text, [
    `before: ${before?.join(', ')}`,
    `now: ${after?.join(', ')}`,
  ]);
}

function allows(at: Found, what: string): Sentence {
  if (turn(at) === 'removed') return tightening(`no longer: ${what}`);
  return revealing(`newly: ${what}`, at.after === at.path.at(-1) ? [] : allOf(at.after));
}

function minimum(at: Found, what: string): Sentence {
  const text = `a group of dataset ${at.names[0]} needs another number of ${what}`;
  if (turn(at) === 'added') return tightening(text, [fromTo(at)]);
  const isMore = turn(at) === 'changed' && rises(at, 0);
  return isMore ? tightening(`${text}: ${fromTo(at)}`) : revealing(`${text}: ${fromTo(at)}`);
}

function maximumGroups(at: Found): Sentence {
  const text = `a result from dataset ${at.names[0]} may have another number of groups`;
  const isMore = rises(at, Number.POSITIVE_INFINITY);
  return isMore ? revealing(`${text}: ${fromTo(at)}`) : tightening(`${text}: ${fromTo(at)}`);
}

function joinRequired(at: Found): Sentence {
  return at.after === true
    ? tightening(`dataset ${at.names[0]} is only read joined with another owner's`)
    : revealing(`dataset ${at.names[0]} may be read alone, not only joined with another owner's`);
}
