import type { Pcrs } from '@strongroom/protocol/enclave-demands';
import { CONFIDENTIAL_ACI_FEED } from '../azure/uvm-endorsement.ts';
import type { VerifiedFacts } from '../verify.ts';
import { atLeast, demand, hex, type Mismatch, member, REFUSED } from './mismatch.ts';
import type { AppraisalPolicy } from './policy.ts';

/** Which code runs: the launch measurement, and behind a paravisor the PCRs of its virtual TPM. */

const CODE = 'ERR_MEASUREMENT_MISMATCH';

/**
 * One of the policy's entries must fit as a whole. An entry with PCRs asks for a virtual TPM; one
 * without refuses it, since a paravisor's measurement says nothing about the guest.
 */
export function appraiseCode(facts: VerifiedFacts, policy: AppraisalPolicy): Mismatch[] {
  const measurement = hex(facts.report.measurement);
  const entries = policy.measurements.map(entryOf);
  const sha384s = entries.map((each) => each.sha384);
  const named = entries.filter((each) => each.sha384 === measurement);
  if (named.length === 0) return member(CODE, 'measurement', sha384s, measurement);
  // The entry that comes nearest tells most about what is wrong.
  const [nearest = []] = named
    .map(({ pcrs }) => appraisePcrs(facts, pcrs))
    .sort((left, right) => left.length - right.length);
  return nearest;
}

interface Entry {
  readonly sha384: string;
  readonly pcrs?: Pcrs;
}

function entryOf(measurement: AppraisalPolicy['measurements'][number]): Entry {
  return typeof measurement === 'string' ? { sha384: measurement } : measurement;
}

function appraisePcrs({ vtpm }: VerifiedFacts, pcrs: Pcrs | undefined): Mismatch[] {
  const [with_, without] = ['a virtual TPM and its PCRs', 'no virtual TPM'];
  if (!vtpm || !pcrs) return demand(CODE, 'vtpm', pcrs ? with_ : without, vtpm ? with_ : without);
  return Object.entries(pcrs).flatMap(([index, expected = '']) =>
    demand(CODE, `pcrs.${index}`, expected, vtpm.pcrs[Number(index)] ?? 'none'),
  );
}

export function appraiseUvm({ uvm }: VerifiedFacts, wanted: AppraisalPolicy['uvm']): Mismatch[] {
  if (!wanted) return [];
  const feed = wanted.feed ?? CONFIDENTIAL_ACI_FEED;
  return [
    ...demand(REFUSED, 'uvm.feed', feed, uvm?.feed ?? 'none'),
    ...(uvm ? atLeast('uvm.svn', wanted.minimumSvn, uvm.svn) : []),
  ];
}
