import type { DecimalDigits } from '@strongroom/protocol/contract';
import type { Conversion } from './column-conversion.ts';
import type { SourceKind, ValueArray } from './source-vector.ts';

/**
 * How whole numbers and decimals become decimals of 128 bits: digits are added behind the point,
 * zeros taken away, nothing is rounded. A float is never a decimal: 0.1 is none of its values.
 * @param scale of the source, where it is a decimal
 */
export function toDecimal(
  kind: SourceKind,
  scale: number,
  digits: DecimalDigits,
): Conversion | undefined {
  const read = READERS[kind];
  if (read === undefined) return undefined;
  const more = 10n ** BigInt(Math.max(0, digits.scale - scale));
  const fewer = 10n ** BigInt(Math.max(0, scale - digits.scale));
  const limit = 10n ** BigInt(digits.precision);
  return (values, target, { from, count, at }) => {
    for (let offset = 0; offset < count; offset += 1) {
      const value = read(values, from + offset) * more;
      const result = value / fewer;
      if (value % fewer !== 0n || result >= limit || result <= -limit) return from + offset;
      for (let word = 0; word < 4; word += 1) {
        target[4 * (at + offset) + word] = Number(BigInt.asIntN(32, result >> BigInt(32 * word)));
      }
    }
    return -1;
  };
}

type Reader = (values: ValueArray, row: number) => bigint;

const whole: Reader = (values, row) => BigInt(values[row] ?? 0);

/** Words from the lowest to the highest, which alone has a sign. */
function words(count: number, signed: boolean): Reader {
  return (values, row) => {
    const high = BigInt(values[count * (row + 1) - 1] ?? 0);
    let value = signed ? BigInt.asIntN(32, high) : BigInt.asUintN(32, high);
    for (let word = count - 2; word >= 0; word -= 1) {
      value = (value << 32n) | BigInt((values[count * row + word] ?? 0) >>> 0);
    }
    return value;
  };
}

const READERS: Partial<Record<SourceKind, Reader>> = {
  int8: whole,
  int16: whole,
  int32: whole,
  uint8: whole,
  uint16: whole,
  uint32: whole,
  int64: words(2, true),
  uint64: words(2, false),
  decimal: words(4, true),
};
