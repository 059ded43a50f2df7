/**
 * One entry of Java's login configuration, as `sasl.jaas.config` holds it:
 * `CLASS required name="value" ...;`. A value in quotes has its quotes and backslashes escaped.
 */
export interface JaasEntry {
  readonly loginModule: string;
  readonly options: ReadonlyMap<string, string>;
}

const HEAD = /^\s*([\w.$]+)\s+(?:required|requisite|sufficient|optional)\b/i;
const OPTION = /\s+([\w.]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"';=]+))/y;
const TAIL = /\s*;\s*$/y;

/** @returns undefined for anything else, also for an option that is given twice */
export function parseJaas(text: string): JaasEntry | undefined {
  const head = HEAD.exec(text);
  if (head?.[1] === undefined) return undefined;
  const options = new Map<string, string>();
  let at = head[0].length;
  for (;;) {
    OPTION.lastIndex = at;
    const option = OPTION.exec(text);
    if (option === null) break;
    const [whole, name = '', double, single, bare = ''] = option;
    if (options.has(name)) return undefined;
    options.set(name, (double ?? single ?? bare).replaceAll(/\\(.)/gs, '$1'));
    at += whole.length;
  }
  TAIL.lastIndex = at;
  return TAIL.test(text) ? { loginModule: head[1], options } : undefined;
}
