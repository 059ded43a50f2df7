import { spawnSync } from 'node:child_process';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type RunningKafka, startLocalKafka } from '@strongroom/record-log/local-kafka';

/** One real Kafka that is killed, restarted and filled up, always on the same port and data. */
export class KafkaNode {
  readonly port: number;
  readonly #folder: string;
  /** Its data lie on a small disk of their own, which can be filled. */
  readonly hasSmallDisk: boolean;
  #running: RunningKafka | undefined;

  private constructor(folder: string, running: RunningKafka, hasSmallDisk: boolean) {
    this.#folder = folder;
    this.#running = running;
    this.port = Number(running.brokers.split(':').at(-1));
    this.hasSmallDisk = hasSmallDisk;
  }

  static async start(folder: string): Promise<KafkaNode> {
    await mkdir(folder, { recursive: true });
    const hasSmallDisk = mountSmallDisk(folder);
    return new KafkaNode(folder, await startLocalKafka({ folder, shortLived: true }), hasSmallDisk);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get dataFolder(): string {
    return path.join(this.#folder, 'data');
  }

  /** Resolves when it is gone: until then it would be taken for one that runs. */
  async kill(): Promise<void> {
    const { pid = 0 } = this.#running ?? {};
    if (pid === 0 || !isAlive(pid)) return;
    process.kill(pid, 'SIGKILL');
    while (isAlive(pid)) await delay(POLL_MS);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
  }

  /** Starts it unless it runs. */
  async start(): Promise<void> {
    const { pid = 0 } = this.#running ?? {};
    if (pid > 0 && isAlive(pid)) return;
    const { port } = this;
    this.#running = await startLocalKafka({ folder: this.#folder, port, shortLived: true });
  }

  /** Leaves not a page on its disk. */
  async fillDisk(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folder);
    await writeFile(this.#ballast, Buffer.alloc(bavail * bsize)).catch(() => undefined);
  }

  async emptyDisk(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }

  get #ballast(): string {
    return path.join(this.#folder, 'ballast');
  }

  async close(): Promise<void> {
    await this.kill();
    await this.stop();
    if (this.hasSmallDisk) spawnSync('umount', ['-l', this.#folder]);
  }
}

const POLL_MS = 10;

/** A schedule writes a few megabytes (index files are sparse), and a world has some twenty. */
const DISK = 'size=256m';

/** Where this machine allows it: as root on Linux. */
function mountSmallDisk(folder: string): boolean {
  if (process.getuid?.() !== 0) return false;
  const mount = ['-t', 'tmpfs', '-o', DISK, 'tmpfs', folder];
  return spawnSync('mount', mount, { stdio: 'ignore' }).status === 0;
}
