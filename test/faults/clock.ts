import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

/**
 * Loaded before a service (`--import`): its wall clock is wrong by what a file says, which a test
 * rewrites while the service runs. Durations stay true, as they do when a machine's clock is set.
 */
const { STRONGROOM_TEST_CLOCKS: folder } = process.env;
const LOOK_EVERY_MS = 50;
let offsetMs = 0;

if (folder !== undefined) {
  const file = join(folder, String(process.pid));
  setInterval(() => {
    try {
      offsetMs = Number(readFileSync(file, 'utf8')) || 0;
    } catch {
      offsetMs = 0;
    }
  }, LOOK_EVERY_MS).unref();
  const now = () => Reflect.apply(TrueDate.now, TrueDate, []) + offsetMs;
  const TrueDate = Date;
  globalThis.Date = new Proxy(TrueDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new TrueDate(now()).toString(),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
}
