import { isCodedError } from '@strongroom/runtime/coded-error';
import type { ErrorFactsOfPage } from './facts.ts';

/** Whatever was thrown, as the page shows it: nothing of an error that is not ours. */
export function errorFacts(error: unknown): ErrorFactsOfPage {
  if (isCodedError(error)) return error.toJSON();
  return {
    code: 'ERR_INTERNAL',
    expected: 'no error of this kind is expected',
    remedy: 'This is a defect of Strongroom; please report it.',
    facts: {},
  };
}
