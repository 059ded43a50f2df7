import { printable } from '@strongroom/runtime/printable';
import { CHECKS, type Finding, GROUPS, type Verdict } from './checks.ts';

const MARKS: Readonly<Record<Verdict, string>> = {
  ok: 'ok  ',
  warn: 'WARN',
  fail: 'FAIL',
  skip: '-   ',
};

/** By group; what is not well is followed by how to mend it, once for each code. */
export function doctorText(findings: readonly Finding[]): string {
  const parts = GROUPS.flatMap((group) => {
    const found = findings.filter(({ code }) => CHECKS[code].group === group);
    if (found.length === 0) return [];
    return [group, ...found.flatMap((each, at) => linesOf(each, found.slice(at + 1))), ''];
  });
  return [...parts, summary(findings)].map(printable).join('\n');
}

function linesOf({ code, verdict, says }: Finding, later: readonly Finding[]): string[] {
  const line = `  ${MARKS[verdict]} ${code.padEnd(20)} ${says}`;
  const isLast = !later.some((each) => each.code === code && isUnwell(each));
  return isUnwell({ verdict }) && isLast ? [line, `       ${CHECKS[code].mend}`] : [line];
}

const isUnwell = ({ verdict }: Pick<Finding, 'verdict'>) =>
  verdict === 'warn' || verdict === 'fail';

function summary(findings: readonly Finding[]): string {
  const count = (verdict: Verdict) => findings.filter((each) => each.verdict === verdict).length;
  const [fails, warns] = [count('fail'), count('warn')];
  const rest = `${count('ok')} are well, ${count('skip')} were not looked at`;
  return `${fails} to mend, ${warns} to look at; ${rest}`;
}

/** For a program: the remedy beside each finding, whatever its verdict. */
export function doctorFacts(findings: readonly Finding[]) {
  return {
    healthy: findings.every(({ verdict }) => verdict !== 'fail'),
    findings: findings.map(({ code, ...rest }) => ({
      code,
      group: CHECKS[code].group,
      ...rest,
      ...(isUnwell(rest) ? { mend: CHECKS[code].mend } : {}),
    })),
  };
}
