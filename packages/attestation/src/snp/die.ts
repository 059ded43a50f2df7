import type { DIES } from '@strongroom/protocol/enclave-demands';
import type { SnpReport } from '../report.ts';
import type { Product } from './tcb.ts';

/**
 * MICROCODE is the low byte of a microcode revision, and every die counts for itself: Bergamo's 25
 * and Genoa's 84 are one patch level. A version 2 report names no CPU, and is held to its product's
 * own die, which has the larger numbers.
 */
export type Die = Product | (typeof DIES)[number];

export function dieOf(product: Product, cpu: SnpReport['cpu']): Die {
  if (!cpu) return product;
  // CPUID models 0xa0 to 0xaf: Bergamo and Siena.
  if (product === 'Genoa' && cpu.model >= 0xa0) return 'Bergamo';
  // Stepping 2 of Milan and Genoa carries the stacked cache: Milan-X and Genoa-X.
  if (product === 'Milan' && cpu.stepping === 2) return 'Milan-X';
  if (product === 'Genoa' && cpu.stepping === 2) return 'Genoa-X';
  return product;
}
