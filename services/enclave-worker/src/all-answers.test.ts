import { StrongroomError } from '@strongroom/protocol/errors';
import { expect, test } from 'vitest';
import { allAnswers } from './all-answers.ts';

const never = new Promise<never>(() => undefined);
const later = () => new Promise((resolve) => setTimeout(resolve, 5));
const refused = (code: ConstructorParameters<typeof StrongroomError>[0]) =>
  Promise.reject(new StrongroomError(code));

test('an end counts before another refusal that came sooner, and either before none', async () => {
  const ended = later().then(() => refused('ERR_CONTRACT_SUPERSEDED'));
  const all = allAnswers([later(), refused('ERR_POLICY_DENIED'), ended]);
  await expect(all).rejects.toMatchObject({ code: 'ERR_CONTRACT_SUPERSEDED' });
  const both = allAnswers([later(), refused('ERR_KEY_DISABLED'), refused('ERR_POLICY_DENIED')]);
  await expect(both).rejects.toMatchObject({ code: 'ERR_KEY_DISABLED' });
  expect(await allAnswers([later().then(() => 1), Promise.resolve(2)])).toEqual([1, 2]);
});

test('what may be asked again waits for nobody', async () => {
  const all = allAnswers([refused('ERR_SERVICE_UNREACHABLE'), never]);
  await expect(all).rejects.toMatchObject({ code: 'ERR_SERVICE_UNREACHABLE' });
});
