import type { Command, Option } from 'commander';
import { factsOf } from './leaf-command.ts';
import { readServiceOptions, type ServiceOption, type ServiceOptions } from './service-options.ts';

/** What may be typed behind one command; without any shell's syntax. */
export interface Completion {
  /** Words of the command behind `strongroom`; empty for the root. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly OptionWord[];
  /** It takes arguments that are no options, which are files here. */
  readonly takesFiles: boolean;
}

interface Word {
  readonly name: string;
  readonly text: string;
}

export interface OptionWord extends Word {
  /** Something has to follow it. */
  readonly takesValue: boolean;
  /** All that may follow it; empty when it can be anything. */
  readonly values: readonly string[];
}

/** Longest paths first: a shell takes the first that fits. */
export function completionsOf(program: Command): Completion[] {
  return below(program, '', readServiceOptions());
}

function below(command: Command, path: string, services: ServiceOptions): Completion[] {
  const longer = command.commands.flatMap((each) =>
    below(each, `${path} ${each.name()}`.trim(), services),
  );
  const commands = command.commands.map((each) => ({
    name: each.name(),
    text: each.description(),
  }));
  const isService = factsOf(command)?.ownProgram === true;
  const own = isService
    ? (services[path] ?? []).map(serviceWord)
    : command.options.filter(isShown).map(optionWord);
  const options = [...own, HELP];
  const takesFiles = !isService && command.registeredArguments.length > 0;
  return [...longer, { path, commands, options, takesFiles }];
}

const HELP: OptionWord = { name: '--help', text: 'show help', takesValue: false, values: [] };

function isShown(option: Option): boolean {
  return !option.hidden && option.long !== undefined && option.long !== null;
}

function optionWord(option: Option): OptionWord {
  return {
    name: option.long ?? option.flags,
    text: option.description,
    takesValue: option.required || option.optional,
    values: option.argChoices ?? [],
  };
}

function serviceWord({ flags, text, values = [] }: ServiceOption): OptionWord {
  const [name = flags] = flags.split(' ');
  return { name, text, takesValue: flags.includes(' '), values };
}
