import { StrongroomError } from '@strongroom/protocol/errors';
import { parseChallenge } from '@strongroom/protocol/evidence-answer';
import { CHALLENGE_BYTES_MAX } from '@strongroom/protocol/limits';
import type { createHttpServer } from '@strongroom/runtime/http';
import type { EvidenceDesk } from './evidence-desk.ts';

/** `POST /evidence`: a challenge in, an `EvidenceAnswer` out. For everybody: it tells no secret. */
export function addEvidenceRoute(
  app: ReturnType<typeof createHttpServer>,
  desk: EvidenceDesk,
): void {
  app.register((routes, _options, done) => {
    const limits = { parseAs: 'buffer', bodyLimit: CHALLENGE_BYTES_MAX } as const;
    routes.removeAllContentTypeParsers();
    routes.addContentTypeParser(
      'application/json',
      limits,
      async (_request: unknown, body: Buffer) => new Uint8Array(body),
    );
    routes.post('/evidence', async ({ body }) => {
      if (!desk.allowances.http.take()) {
        desk.count('http', 'ERR_CHALLENGE_LIMIT');
        throw new StrongroomError('ERR_CHALLENGE_LIMIT', { limit: 'ANSWERS_PER_MINUTE_MAX' });
      }
      const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
      return await desk.answer('http', parseChallenge(bytes));
    });
    done();
  });
}
