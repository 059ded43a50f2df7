import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Properties } from 'properties-file/parser';
import { LogError } from './log-error.ts';

interface Entry {
  readonly line: number;
  readonly value: string;
}

const PROVIDERS: Readonly<Record<string, string>> = {
  directory: 'org.apache.kafka.common.config.provider.DirectoryConfigProvider',
  file: 'org.apache.kafka.common.config.provider.FileConfigProvider',
};
const MILLISECONDS_MAX = 3_600_000;

/** Settings with their lines. Every one is used by somebody, or refused. */
export class SettingsFile {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #used = new Set<string>();

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  static async of(text: string): Promise<SettingsFile> {
    const entries = new Map<string, Entry>();
    for (const { key, value, startingLineNumber: line } of propertiesIn(text)) {
      if (entries.has(key)) throw problem({ setting: shown(key), line }, 'is there twice');
      entries.set(key, { value, line });
    }
    const raw = new SettingsFile(entries);
    const providers = raw.#providers();
    for (const [name, { value, line }] of entries) {
      if (raw.#used.has(name)) continue;
      entries.set(name, { line, value: await raw.#resolve(name, value, providers) });
    }
    return raw;
  }

  text(name: string): string | undefined {
    this.#used.add(name);
    const value = this.#entries.get(name)?.value.trim();
    if (value === '') throw this.problem(name, 'is empty');
    return value;
  }

  matching(name: string, form: RegExp): string | undefined {
    const value = this.text(name);
    if (value === undefined || form.test(value)) return value;
    throw this.problem(name, 'is of another form');
  }

  oneOf<const Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    this.#used.add(name);
    const text = this.#entries.get(name)?.value.trim();
    if (text === undefined) return undefined;
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    throw this.problem(name, `one of: ${values.join(' ')}`);
  }

  list(name: string, form: RegExp): string[] | undefined {
    const values = this.text(name)
      ?.split(',')
      .map((each) => each.trim());
    if (values === undefined || values.every((each) => form.test(each))) return values;
    throw this.problem(name, 'is of another form');
  }

  milliseconds(name: string): number | undefined {
    const text = this.matching(name, /^[1-9]\d{0,6}$/);
    if (text === undefined) return undefined;
    if (Number(text) <= MILLISECONDS_MAX) return Number(text);
    throw this.problem(name, `at most ${MILLISECONDS_MAX}`);
  }

  assertNone(prefix: string, why: string): void {
    for (const name of this.#entries.keys()) {
      if (name.startsWith(prefix)) throw this.problem(name, `means nothing with ${why}`);
    }
  }

  assertAllUsed(): void {
    for (const name of this.#entries.keys()) {
      if (!this.#used.has(name)) throw this.problem(name, 'is not known');
    }
  }

  problem(name: string, text: string): LogError {
    const line = this.#entries.get(name)?.line;
    return problem({ setting: shown(name), ...(line !== undefined && { line }) }, text);
  }

  /** KIP-297: only the two that read files, under the names that Kafka's documentation gives. */
  #providers(): ReadonlySet<string> {
    const names = this.list('config.providers', /^(directory|file)$/) ?? [];
    for (const name of names) {
      const setting = `config.providers.${name}.class`;
      const wanted = PROVIDERS[name] ?? '';
      if (this.oneOf(setting, [wanted]) === undefined) throw this.problem(setting, wanted);
    }
    return new Set(names);
  }

  /** `${directory:FOLDER:FILE}` is what a file holds, `${file:FILE:NAME}` a property in one. */
  async #resolve(name: string, value: string, providers: ReadonlySet<string>): Promise<string> {
    let resolved = '';
    let at = 0;
    for (const match of value.matchAll(/\$\{(\w+):([^}:]+):([^}:]+)\}/g)) {
      const [whole, provider = '', path = '', key = ''] = match;
      if (!providers.has(provider)) throw this.problem(name, 'names none of config.providers');
      const found = provider === 'file' ? await propertyIn(path, key) : await fileIn(path, key);
      if (found === undefined) throw this.problem(name, 'no readable file, or nothing in it');
      resolved += value.slice(at, match.index) + found;
      at = match.index + whole.length;
    }
    return resolved + value.slice(at);
  }
}

/** What editors add at the end of a file is no part of a password. */
async function fileIn(folder: string, name: string): Promise<string | undefined> {
  if (!/^[\w.-]+$/.test(name) || /^\.+$/.test(name)) return undefined;
  const text = await readFile(join(folder, name), 'utf8').catch(() => '');
  return text.replace(/\r?\n$/, '') || undefined;
}

async function propertyIn(path: string, name: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return propertiesIn(text).find(({ key }) => key === name)?.value || undefined;
}

function propertiesIn(text: string) {
  try {
    return new Properties(text).nodes.filter((node) => node.type === 'property');
  } catch {
    // A broken escape; what the parser says of it quotes it.
    throw new LogError('ERR_KAFKA_CONFIG', { problem: "not the format of Java's properties" });
  }
}

/** Somebody may have put a value where a name belongs. */
function shown(name: string): string {
  return /^[a-z][a-z0-9.]{0,99}$/.test(name) ? name : '?';
}

function problem(facts: { setting: string; line?: number }, text: string): LogError {
  return new LogError('ERR_KAFKA_CONFIG', { ...facts, problem: text });
}
