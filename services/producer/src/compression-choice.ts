import process from 'node:process';
import { compress } from '@strongroom/sealing/compress';

/** What a run compresses before it seals: `auto` finds out whether its rows gain by it. */

export const COMPRESSIONS = ['none', 'zstd', 'auto'] as const;

export interface CompressionRequest {
  readonly how: (typeof COMPRESSIONS)[number];
  readonly level: number;
}

export interface CompressionReport {
  readonly how: CompressionRequest['how'];
  readonly chosen: 'none' | 'zstd';
  readonly level?: number;
  /** For people. */
  readonly why: string;
  /** What `auto` measured. */
  readonly sample?: CompressionSample;
}

export interface CompressionSample {
  readonly batches: number;
  readonly plainBytes: number;
  readonly compressedBytes: number;
  /** Of processor time. */
  readonly milliseconds: number;
}

/** Batches that are measured: the first ones of a run. */
const SAMPLE_BATCHES = 8;
/** Less is not worth a second form of the same rows, nor what its length tells. */
const SAVED_SHARE_MIN = 0.1;
/** Bytes that a second of the processor saves: a link of 160 Mbit/s sends so many in that time. */
const SAVED_BYTES_PER_SECOND_MIN = 20e6;

/** Processor time of this process in microseconds: other processes on the machine do not count. */
export type ProcessorTime = () => number;

const ofThisProcess: ProcessorTime = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

export class CompressionChoice {
  readonly #request: CompressionRequest;
  readonly #processorTime: ProcessorTime;
  #sample: CompressionSample = { batches: 0, plainBytes: 0, compressedBytes: 0, milliseconds: 0 };
  #batches = 0;

  constructor(
    request: CompressionRequest = { how: 'none', level: 1 },
    processorTime = ofThisProcess,
  ) {
    this.#request = request;
    this.#processorTime = processorTime;
  }

  /** @returns the level for this batch, which is the next; undefined to leave it as it is */
  levelFor(plaintext: Uint8Array): number | undefined {
    const { how, level } = this.#request;
    this.#batches += 1;
    if (how === 'auto' && this.#sample.batches < SAMPLE_BATCHES) this.#measure(plaintext);
    return this.#chosen === 'zstd' ? level : undefined;
  }

  /** @returns null before the first batch: there was nothing to choose */
  report(): CompressionReport | null {
    if (this.#batches === 0) return null;
    const { how, level } = this.#request;
    const chosen = this.#chosen;
    return {
      how,
      chosen,
      ...(chosen === 'zstd' ? { level } : {}),
      why: how === 'auto' ? reasonOf(this.#sample) : 'as asked for',
      ...(how === 'auto' ? { sample: this.#sample } : {}),
    };
  }

  get #chosen(): 'none' | 'zstd' {
    const { how } = this.#request;
    if (how !== 'auto') return how;
    const { savedShare, savedPerSecond } = gainOf(this.#sample);
    const gains = savedShare >= SAVED_SHARE_MIN && savedPerSecond >= SAVED_BYTES_PER_SECOND_MIN;
    return gains ? 'zstd' : 'none';
  }

  #measure(plaintext: Uint8Array): void {
    const before = this.#processorTime();
    const { length } = compress(plaintext, this.#request.level);
    const milliseconds = (this.#processorTime() - before) / 1_000;
    this.#sample = {
      batches: this.#sample.batches + 1,
      plainBytes: this.#sample.plainBytes + plaintext.length,
      compressedBytes: this.#sample.compressedBytes + length,
      milliseconds: this.#sample.milliseconds + milliseconds,
    };
  }
}

function gainOf({ plainBytes, compressedBytes, milliseconds }: CompressionSample) {
  const saved = plainBytes - compressedBytes;
  const savedPerSecond = (1_000 * saved) / Math.max(milliseconds, 0.001);
  return { savedShare: saved / Math.max(plainBytes, 1), savedPerSecond };
}

function reasonOf(sample: CompressionSample): string {
  const { savedShare, savedPerSecond } = gainOf(sample);
  const batches = sample.batches === 1 ? 'the first batch' : `the first ${sample.batches} batches`;
  const percent = Math.round(100 * savedShare);
  const megabytes = Math.round(savedPerSecond / 1e6);
  const speed = `${megabytes} MB in a second of processor time`;
  return `${batches} lost ${percent} % of their bytes, ${speed}`;
}
