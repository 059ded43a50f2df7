import { formText } from '@strongroom/protocol/canonical-form';
import {
  type ColumnContract,
  type Contract,
  type Dataset,
  ownersOf,
  type Query,
} from '@strongroom/protocol/contract';
import { ENCLAVE_DEMANDS } from '@strongroom/protocol/enclave-demands';
import { agreementOf } from '@strongroom/protocol/guards';
import { RESULT_TICK_MS_DEFAULT } from '@strongroom/protocol/limits';
import { resultSizesOf, tooLargeSizeOf } from '@strongroom/protocol/result-sizes';
import { printable } from '@strongroom/runtime/printable';
import type { ReadContract, SignatureState } from '@strongroom/sealing/verify';

/**
 * A contract as a person reads it before signing: who, over which data, what leaves to whom, and
 * which code is trusted. Texts of other parties cannot steer the terminal.
 */
export function contractText(
  contract: Contract,
  contractId: string,
  signatures: ReadContract['signatures'],
): string {
  return [
    `${contract.title} (version ${contract.version})`,
    `id ${contractId}`,
    ...(contract.previous === undefined ? [] : [`amends ${contract.previous}`]),
    `purpose: ${contract.purpose}`,
    ...contractSections(contract, signatures).flatMap(({ title, lines }) => [
      ...['', title],
      ...lines.map((line) => `  ${line}`),
    ]),
  ]
    .map(printable)
    .join('\n');
}

export interface ContractSection {
  readonly title: string;
  /** What belongs to a line stands below it, two spaces further in. */
  readonly lines: readonly string[];
}

export function contractSections(
  contract: Contract,
  signatures: ReadContract['signatures'],
): ContractSection[] {
  const leaves = [
    ...contract.queries.flatMap((query) => queryLines(query, contract)),
    tickText(contract),
    ...slicesText(contract),
  ];
  return [
    { title: 'Parties', lines: partyLines(contract, signatures) },
    { title: 'Datasets', lines: datasetLines(contract) },
    { title: 'What leaves the enclave, and to whom', lines: leaves },
    { title: 'Enclave', lines: enclaveLines(contract) },
  ];
}

function tickText({ tickMs = RESULT_TICK_MS_DEFAULT }: Contract): string {
  if (tickMs === 0) return 'results leave at once: HOW LONG THEY TOOK IS SEEN';
  return `results leave at multiples of ${tickMs} ms after what completed them`;
}

function slicesText({ slices }: Contract): string[] {
  if (slices === undefined) return [];
  return [
    `rows are counted by ${slices} workers, each its slice of the partitions; one more merges`,
  ];
}

function partyLines(contract: Contract, signatures: ReadContract['signatures']): string[] {
  const owners = new Set(ownersOf(contract).map((party) => party.id));
  return contract.parties.flatMap((party) => {
    const reads = contract.queries.some((query) => query.readers.includes(party.id));
    const holds = contract.datasets.some((dataset) =>
      dataset.keyShares?.holders.some((holder) => holder.party === party.id),
    );
    const roles = [
      ...(owners.has(party.id) ? ['owner'] : []),
      ...(holds ? ['holder of shares'] : []),
      ...(reads ? ['reader'] : []),
    ];
    const state = signatures.find((each) => each.party === party.id)?.state ?? 'missing';
    const line = `${party.id}: ${party.name}, ${roles.join(' and ') || 'no role'}`;
    const keyRelease = party.keyRelease ? [`  keys released at ${party.keyRelease.url}`] : [];
    const uses = party.readingKey
      ? '  a ledger of uses, sealed to it'
      : '  NO LEDGER OF USES: it has no reading key';
    const told = owners.has(party.id) ? [uses] : [];
    const accepted = party.keyRelease?.averaging === 'accepted' ? [AVERAGING] : [];
    return [`${line}, ${SIGNATURE_WORDS[state]}`, ...keyRelease, ...told, ...accepted];
  });
}

const AVERAGING = '  ACCEPTS that two workers could average the noise over its rows';

const SIGNATURE_WORDS: Readonly<Record<SignatureState, string>> = {
  valid: 'has signed',
  missing: 'HAS NOT SIGNED',
  invalid: 'SIGNATURE DOES NOT VERIFY',
};

function datasetLines(contract: Contract): string[] {
  return contract.datasets.flatMap((dataset) => [
    `${dataset.id}: owned by ${dataset.owner}, table ${dataset.relation}, ` +
      (dataset.eventTime === undefined ? 'used whole' : `event time ${dataset.eventTime}`) +
      (dataset.eventTimes
        ? ` from ${dataset.eventTimes.from} until ${dataset.eventTimes.until}`
        : ''),
    `  columns: ${dataset.columns
      .map((column) => `${column.name} ${column.type}${column.nullable ? '?' : ''}`)
      .join(', ')}`,
    ...dataset.columns.flatMap((column) => canonicalLine(column)),
    ...weightLines(dataset),
    ...(dataset.streams ?? []).map(
      ({ id, partition }) => `  stream ${id} in partition ${partition}`,
    ),
    ...shareLine(dataset),
    ...keyLines(dataset),
  ]);
}

/** What is told of a sum then, its owner has to know from elsewhere. */
function weightLines({ owner, rules }: Dataset): string[] {
  const columns = Object.entries(rules?.columns ?? {});
  return columns
    .filter(([, { measure }]) => measure?.weights === 'accepted')
    .map(([name]) => `  column ${name}: ${owner} ACCEPTS that others give each value a weight`);
}

/** Whoever sees the log sees how many rows each stream has, and which value goes where. */
function shareLine({ partitionBy, streams = [] }: Dataset): string[] {
  if (partitionBy === undefined) return [];
  const sees = `the log shows how many rows each of ${streams.length} shares of its values has`;
  return [`  rows shared out to streams by ${partitionBy}: ${sees}`];
}

/** Owners who hash by one key can tell by trying whose key a value is; nobody else can. */
function canonicalLine(column: ColumnContract): string[] {
  if (!column.canonical) return [];
  const { region } = column.canonical;
  const read = region === undefined ? '' : `, numbers without a country read as of ${region}`;
  return [`  column ${column.name} in the form ${formText(column)}${read}`];
}

/** Who has to agree, or to be robbed, before the dataset can be read. */
function keyLines({ keyId, keyShares, owner }: Dataset): string[] {
  if (!keyShares) return [`  key encryption key ${keyId} of ${owner}`];
  const { threshold, holders } = keyShares;
  const kept = holders.map((each) => `${each.party} (${each.keyId}, SHA-256 ${each.sha256})`);
  return [
    `  key encryption key ${keyId}: any ${threshold} of ${holders.length} holders make it together`,
    ...kept.map((each) => `    share of ${each}`),
  ];
}

function queryLines(query: Query, contract: Contract): string[] {
  const { minimumGroupRows, groupRowsColumn, differences } = query.disclosure;
  const accepted = 'ALL PARTIES ACCEPT that the difference of two results may be a smaller group';
  return [
    `${query.id} -> ${query.readers.join(', ')}`,
    `  ${windowText(query)}`,
    `  only groups of at least ${minimumGroupRows} rows (column ${groupRowsColumn})`,
    ...sizeLines(query, contract).map((line) => `  ${line}`),
    ...(differences === 'accepted' ? [`  ${accepted}`] : []),
    ...query.sql.split('\n').map((line) => `  | ${line.replaceAll('\t', '  ')}`),
  ];
}

/** What the log shows of a result: its size, which is the contract's to set. */
export function sizeLines(query: Query, contract: Contract): string[] {
  const [size, ...others] = resultSizesOf(query);
  if (others.length === 0) return [`each result sealed in ${size} bytes, or withheld as too large`];
  const groups = query.privacy
    ? []
    : ['the log shows roughly how many groups a result has, unless resultBytes is set'];
  const large = tooLargeSizeOf(query, contract);
  return [
    ...groups,
    `a result that is too large leaves empty, in ${large} bytes, unless resultBytes is set`,
  ];
}

export function windowText(query: Query): string {
  const { window } = query;
  const late = query.latenessMs > 0 ? `, kept open ${lengthText(query.latenessMs)} longer` : '';
  switch (window.kind) {
    case 'whole':
      return 'once, over the whole data';
    case 'tumbling':
      return `for every ${durationText(window.sizeMs)} of event time${late}`;
    case 'hopping':
      return [
        `every ${durationText(window.advanceMs)} of event time,`,
        `over ${lengthText(window.sizeMs)} each${late}`,
      ].join(' ');
    case 'session':
      return [
        `for every ${durationText(window.sizeMs)} of event time, over the sessions that end in it:`,
        `rows of one ${window.key} without a gap of more than ${lengthText(window.gapMs)},`,
        `cut at multiples of ${lengthText(window.maximumMs)} when they last longer${late}`,
      ].join(' ');
  }
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

function lengthText(milliseconds: number): string {
  const text = durationText(milliseconds);
  return /^\d/.test(text) ? text : `1 ${text}`;
}

/** Exact: the largest unit that divides the duration. */
function durationText(milliseconds: number): string {
  for (const [unit, size] of UNITS) {
    const count = milliseconds / size;
    if (count >= 1 && Number.isInteger(count)) return count === 1 ? unit : `${count} ${unit}s`;
  }
  return `${milliseconds} ms`;
}

/** How many have to be deceived or dishonest before a key leaves or a forged result is believed. */
function guardLines(enclave: Contract['enclave']): string[] {
  const agreement = agreementOf(enclave);
  const count = enclave.authorities.length;
  const told =
    count === 1
      ? 'the one attestation authority must attest the worker'
      : `${agreement} of ${count} attestation authorities must attest the same worker`;
  if (enclave.ownVerification === true) {
    return [
      `guards: ${told},`,
      '  and every owner and reader verifies the report itself: no authority can lie alone',
    ];
  }
  return [
    `guards: ${told}; nobody else looks at the report:`,
    agreement === 1
      ? '  one dishonest authority is enough to get the keys'
      : `  ${agreement} dishonest authorities together are enough to get the keys`,
  ];
}

function enclaveLines(contract: Contract): string[] {
  const { platform, measurements, authorities, minimumTcb } = contract.enclave;
  return [
    `platform: ${platform}${platform === 'simulated' ? ' (NOT HARDWARE: proves nothing)' : ''}`,
    ...measurements.flatMap(({ name, sha384, pcrs = {} }) => [
      `accepts ${name}: ${sha384}`,
      ...Object.entries(pcrs).map(([index, value]) => `  with PCR ${index}: ${value}`),
    ]),
    ...guardLines(contract.enclave),
    ...authorities.map((each) => `attested by ${each.issuer} (${each.keys.length} keys)`),
    ...Object.entries(minimumTcb).map(
      ([product, floor]) =>
        `${product}: boot loader >= ${floor.bootLoader}, TEE >= ${floor.tee}, ` +
        `SNP >= ${floor.snp}, microcode >= ${floor.microcode}` +
        (floor.fmc === undefined ? '' : `, FMC >= ${floor.fmc}`) +
        Object.entries(floor.microcodeOf ?? {})
          .map(([die, least]) => `, on ${die} >= ${least}`)
          .join(''),
    ),
    ...Object.entries(contract.enclave)
      .filter(([name]) => name in ENCLAVE_DEMANDS)
      .map(([name, demand]) => `demands ${name}: ${JSON.stringify(demand)}`),
  ];
}
