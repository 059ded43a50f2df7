import { Worker } from 'node:worker_threads';

/**
 * A mutant may loop without an end, and no timeout of a test interrupts that: a thread beside it
 * ends the whole worker process when the event loop has stood still for long.
 */
const beat = new Int32Array(new SharedArrayBuffer(4));
const thread = new Worker(new URL('watchdog-thread.ts', import.meta.url), {
  workerData: beat.buffer,
});
thread.unref();
setInterval(() => Atomics.add(beat, 0, 1), 500).unref();
