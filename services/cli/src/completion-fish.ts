import type { Completion, OptionWord } from './completion-words.ts';

/** Completions of fish, each under the condition that a command's words stand before it. */
export function fishScript(completions: readonly Completion[]): string {
  return `function __strongroom_path
  set -l words
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; or set -a words $word
  end
  string join ' ' -- $words
end
function __strongroom_is
  set -l path (__strongroom_path)
  test "$path" = "$argv[1]"
end
function __strongroom_in
  set -l path (__strongroom_path)
  string match -q -- "$argv[1] *" "$path "
end
complete -c strongroom -f
${completions.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, options, takesFiles }: Completion): string[] {
  const inside = `complete -c strongroom -n "__strongroom_in '${path}'"`;
  const at = `complete -c strongroom -n "__strongroom_is '${path}'"`;
  return [
    ...commands.map(({ name, text }) => `${at} -a ${name} -d ${quoted(text)}`),
    ...(path === '' || commands.length > 0
      ? []
      : [
          ...options.map((each) => `${inside} ${optionFlags(each)}`),
          ...(takesFiles ? [`${inside} -F`] : []),
        ]),
  ];
}

function optionFlags({ name, text, takesValue, values }: OptionWord): string {
  const value =
    values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : takesValue ? ' -r -F' : '';
  return `-l ${name.replace(/^--/, '')}${value} -d ${quoted(text)}`;
}

/** In single quotes fish knows two escapes. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
