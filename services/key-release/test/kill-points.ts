import { subscribe } from 'node:diagnostics_channel';
import { ServerResponse } from 'node:http';
import process from 'node:process';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { CompactSign } from 'jose';

/**
 * Places between a request and its answer at which a service dies without warning. They are around
 * what the service uses (SQLite, signatures, HTTP), in a process that a test starts: the sources of
 * the service know nothing of them, so that nobody can switch one on.
 */
export interface Death {
  /** Where; at any place when absent. */
  readonly at?: string;
  /** The how manyth time, from 1; never when absent. */
  readonly turn?: number;
}

/** @param told of every place once, when it is reached for the first time */
export function setKillPoints({ at, turn }: Death, told: (name: string) => void): void {
  const reached = new Map<string, number>();
  let total = 0;
  const reach = (name: string) => {
    total += 1;
    const times = (reached.get(name) ?? 0) + 1;
    reached.set(name, times);
    if (times === 1) told(name);
    if (turn === undefined) return;
    if (turn === (at === undefined ? total : at === name ? times : 0)) {
      process.kill(process.pid, 'SIGKILL');
    }
  };
  aroundDatabase(reach);
  aroundSignatures(reach);
  subscribe('http.server.request.start', () => reach('request'));
  subscribe('http.server.response.finish', () => reach('answered'));
  const { end } = ServerResponse.prototype;
  ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
    reach('before answer');
    return Reflect.apply(end, this, args);
  } as typeof end;
}

type Reach = (name: string) => void;

function aroundDatabase(reach: Reach): void {
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    const [word = ''] = sql.toLowerCase().split(' ');
    reach(`before ${word}`);
    exec.call(this, sql);
    reach(`after ${word}`);
  };
  const { run } = StatementSync.prototype;
  StatementSync.prototype.run = function (this: StatementSync, ...values: unknown[]) {
    const table = /(?:INTO|UPDATE|FROM) (\w+)/.exec(this.sourceSQL)?.[1] ?? '';
    const result = Reflect.apply(run, this, values);
    reach(`after write to ${table}`);
    return result;
  } as typeof run;
}

function aroundSignatures(reach: Reach): void {
  const { sign } = CompactSign.prototype;
  CompactSign.prototype.sign = async function (...args) {
    reach('before signature');
    const jws = await sign.apply(this, args);
    reach('after signature');
    return jws;
  };
}
