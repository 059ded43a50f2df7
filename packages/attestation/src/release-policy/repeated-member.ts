const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/**
 * The name of the first member that an object of the text has twice. `JSON.parse` silently keeps
 * the last one, so that two readers of one policy could see two policies.
 * The text must already have passed `JSON.parse`.
 */
export function repeatedMember(text: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  let before = '';
  let beforeThat = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':' && (beforeThat === '{' || beforeThat === ',')) {
      // The parsed name: "a" and "\u0061" are the same member.
      const name = String(JSON.parse(before));
      const members = open.at(-1);
      if (members?.has(name)) return name;
      members?.add(name);
    }
    beforeThat = before;
    before = token;
  }
  return undefined;
}
