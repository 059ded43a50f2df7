import { buildPage } from '@strongroom/page/server/build-page';

/**
 * Builds the owner's page:
 *
 *   node --conditions=strongroom:source services/cli/src/owner/build-page-main.ts
 */
await buildPage(new URL('../../', import.meta.url), 'src/owner/page');
