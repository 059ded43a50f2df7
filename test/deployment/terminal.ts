/** The demo's own voice: steps with their seconds, on stderr, so that stdout stays for data. */

const COLOURS = process.stderr.isTTY && process.env['NO_COLOR'] === undefined;

export function say(line: string): void {
  process.stderr.write(`    ${line}\n`);
}

export function heading(line: string): void {
  process.stderr.write(`\n${COLOURS ? `\u001b[1m${line}\u001b[0m` : line}\n`);
}

/** Runs one step and says how long it took; a failure names the step and goes on upwards. */
export async function step<Result>(title: string, work: () => Promise<Result>): Promise<Result> {
  heading(title);
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
  try {
    const result = await work();
    say(`done in ${seconds()} s`);
    return result;
  } catch (error) {
    say(`failed after ${seconds()} s`);
    throw error;
  }
}
