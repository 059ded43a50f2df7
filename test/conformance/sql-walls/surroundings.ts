import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a hostile statement could reach: a file with a secret, an empty folder, a listener. */
export class Surroundings {
  readonly #folder: string;
  readonly #secret = `secret-${randomUUID()}`;
  readonly #server: Server;
  readonly #port: number;
  #connections = 0;

  private constructor(folder: string, server: Server, port: number) {
    this.#folder = folder;
    this.#server = server;
    this.#port = port;
    server.on('connection', (socket) => {
      this.#connections += 1;
      socket.destroy();
    });
    writeFileSync(this.#canary, this.#secret);
  }

  static async open(): Promise<Surroundings> {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-walls-'));
    await mkdir(join(folder, 'out'));
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return new Surroundings(folder, server, port);
  }

  async close(): Promise<void> {
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The statement with the places of this run in it. */
  fill(sql: string): string {
    return sql
      .replaceAll('{canary}', this.#canary)
      .replaceAll('{out}', this.#out)
      .replaceAll('{port}', String(this.#port));
  }

  /** What a statement reached, given all that it answered; afterwards, all is as before. */
  takeReached(text: string): string[] {
    const reached: string[] = [];
    if (text.includes(this.#secret)) reached.push('read the canary');
    if (/\bx:0:0:/.test(text)) reached.push('read /etc/passwd');
    if (readFileSync(this.#canary, 'utf8') !== this.#secret) reached.push('wrote to the canary');
    for (const entry of readdirSync(this.#out, { withFileTypes: true, recursive: true })) {
      reached.push(entry.isDirectory() ? 'made a folder' : 'made a file');
    }
    for (const path of STRAYS) if (existsSync(path)) reached.push('made a file');
    if (this.#connections > 0) reached.push('connected');
    if (reached.length > 0) this.#restore();
    return [...new Set(reached)].sort();
  }

  #restore(): void {
    this.#connections = 0;
    writeFileSync(this.#canary, this.#secret);
    for (const entry of readdirSync(this.#out)) {
      rmSync(join(this.#out, entry), { recursive: true, force: true });
    }
    for (const path of STRAYS) rmSync(path, { recursive: true, force: true });
  }

  get #canary(): string {
    return join(this.#folder, 'canary.txt');
  }

  get #out(): string {
    return join(this.#folder, 'out');
  }
}

/** Places that some statements name without asking where they are. */
const STRAYS = ['/dev/shm/strongroom-hostile.csv', '/tmp/strongroom-hostile.csv'].concat(
  ['strongroom-hostile.csv', 'strongroom-hostile.db', '.tmp'].map((name) =>
    join(process.cwd(), name),
  ),
);
