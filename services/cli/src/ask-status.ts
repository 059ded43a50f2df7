import { type WorkerStatus, WorkerStatusSchema } from '@strongroom/protocol/worker-status';
import { boundedText } from './ask-worker.ts';

const ANSWER_MS = 5_000;

/** @returns what the worker says of itself, unverified; undefined when none answers */
export async function askWorkerStatus(worker: string): Promise<WorkerStatus | undefined> {
  try {
    const response = await fetch(statusUrl(worker), {
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: 'error',
    });
    return WorkerStatusSchema.parse(JSON.parse(await boundedText(response)));
  } catch {
    return undefined;
  }
}

export function statusUrl(worker: string): string {
  return `${worker.replace(/\/$/, '')}/status`;
}
