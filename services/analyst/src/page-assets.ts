import { loadPageAssets, type PageAssets } from '@strongroom/page/server/page-assets';

/** The files of the analyst's page. @throws ERR_FILE_UNREADABLE when they were never built */
export function loadAnalystPage(): Promise<PageAssets> {
  return loadPageAssets(new URL('../', import.meta.url), 'src/build-page-main.ts');
}
