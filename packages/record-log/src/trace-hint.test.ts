import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headersWithHint, takeHint } from './trace-hint.ts';

const TRACE = `00-${'4bf92f3577b34da6a3ce929d0e0e4736'}-${'00f067aa0ba902b7'}-01`;
const HEADERS = { ce_id: 'a.0.1', seal: 'x.y.z' };

describe('the hint of a trace', () => {
  it('goes beside the headers and comes off again', () => {
    const onLog = headersWithHint({ headers: HEADERS, trace: TRACE });
    expect(onLog).toEqual({ ...HEADERS, traceparent: TRACE });
    expect(takeHint(onLog)).toEqual({ headers: HEADERS, trace: TRACE });
    expect(takeHint(headersWithHint({ headers: HEADERS }))).toEqual({ headers: HEADERS });
  });

  it.each([
    ['empty', ''],
    ['another version', TRACE.replace(/^00/, '01')],
    ['the version that is forbidden', TRACE.replace(/^00/, 'ff')],
    ['upper case', TRACE.toUpperCase()],
    ['no trace', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
    ['no span', `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`],
    ['longer', `${TRACE}-00`],
    ['with a line break', `${TRACE}\n`],
    ['twice, as two values in one text', `${TRACE}\n${TRACE}`],
    ['short', TRACE.slice(0, -1)],
    ['a million characters', 'a'.repeat(1_000_000)],
    ['bytes that are no UTF-8', '\u{fffd}'.repeat(55)],
  ])('is no hint: %s', (_name, trace) => {
    expect(takeHint({ ...HEADERS, traceparent: trace })).toEqual({ headers: HEADERS });
  });

  it('leaves every other header to those who judge records', () => {
    const others = { ...HEADERS, Traceparent: TRACE, tracestate: 'a=b', traceparent2: TRACE };
    expect(takeHint(others)).toEqual({ headers: others });
  });

  it('is 55 characters, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        const { trace, headers } = takeHint({ ...HEADERS, traceparent: text });
        expect(headers).toEqual(HEADERS);
        expect([undefined, 55]).toContain(trace?.length);
      }),
    );
  });
});
