import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { codeOfEnd, type Deployment, readAs, startWorker } from '../deployment/pipeline.ts';
import type { Finished } from '../deployment/processes.ts';
import { say } from '../deployment/terminal.ts';
import { bringBack, truncateStream } from './adversary.ts';
import { INSTITUTE } from './contract.ts';

/** Six who must be refused, live; each must show exactly the code that is expected. */

export interface Refusal {
  readonly attempt: string;
  readonly expected: string;
  readonly found: string;
}

type Counts = Readonly<Record<string, number>>;

/** What came of the operator's attacks on the main job. */
export interface Attacks {
  readonly seenByWorker: Counts;
  readonly truncated: Refusal;
}

export async function showRefusals(
  deployment: Deployment,
  { seenByWorker, truncated }: Attacks,
): Promise<Refusal[]> {
  const refusals = [
    await anotherMeasurement(deployment),
    seen("a forged batch in another owner's name", 'ERR_SEAL_SIGNATURE', seenByWorker),
    seen('a replayed batch', 'ERR_BATCH_REPLAYED', seenByWorker),
    truncated,
    await rolledBackLog(deployment),
    await notAReader(deployment),
  ];
  for (const { attempt, expected, found } of refusals) {
    say(`${found === expected ? 'refused' : 'NOT REFUSED'}  ${attempt}: ${found}`);
  }
  return refusals;
}

/** The worker's image with one page more: it attests truthfully, and gets no key. */
async function anotherMeasurement(deployment: Deployment): Promise<Refusal> {
  const page = path.join(deployment.folders.run, 'extra-page.bin');
  await writeFile(page, randomBytes(4096));
  const worker = startWorker(deployment, 'worker-tampered', ['--extra-page', page]);
  const attempt = 'a worker with another measurement asks for a key';
  return ended(attempt, 'ERR_MEASUREMENT_MISMATCH', await worker.done);
}

/**
 * Another view of the log, in which the operator withholds the end of one stream. Before the main
 * job: afterwards the owners' leases would refuse any view without the results.
 */
export async function truncatedStream(deployment: Deployment, dataset: string): Promise<Refusal> {
  const namespace = 'truncated';
  const where = { dataset, keep: 2, namespace };
  const { contract, contractId } = deployment.agreement;
  await truncateStream(deployment.log, contract, contractId, where);
  const worker = startWorker(deployment, 'worker-truncated', [
    ...['--namespace', namespace, '--until-complete', '--deadline', '10'],
  ]);
  const refusal = ended('a truncated stream', 'ERR_STREAM_TRUNCATED', await worker.done);
  await bringBack(deployment.log, contract, contractId, namespace);
  return refusal;
}

/** The log as it was before the results, to have them computed once more. */
async function rolledBackLog(deployment: Deployment): Promise<Refusal> {
  const worker = startWorker(deployment, 'worker-rolled-back', [
    ...['--namespace', 'rolled-back', '--until-complete', '--deadline', '10'],
  ]);
  return ended('a log without its results', 'ERR_LEASE_FORKED', await worker.done);
}

/** A party of the contract, with a key of its own, tries to open what is addressed to another. */
async function notAReader(deployment: Deployment): Promise<Refusal> {
  const more = ['--query', 'daily-delays', '--try-all'];
  const finished = await readAs(deployment, INSTITUTE, { more });
  return ended("an analyst who isn't a reader", 'ERR_NOT_A_READER', finished);
}

function seen(attempt: string, expected: string, counts: Counts): Refusal {
  return { attempt, expected, found: (counts[expected] ?? 0) > 0 ? expected : 'nothing' };
}

function ended(attempt: string, expected: string, finished: Finished): Refusal {
  const found = finished.exitCode === 0 ? 'nothing' : (codeOfEnd(finished) ?? 'nothing');
  return { attempt, expected, found };
}
