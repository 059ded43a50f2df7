import {
  loadPageAssets,
  type PageAssets,
  type PageFile,
} from '@strongroom/page/server/page-assets';

/** What a map needs; asked for when one is drawn. */
export const PLACES_FILE = 'places.json';
const PLACES: PageFile = [`/${PLACES_FILE}`, PLACES_FILE, 'application/json; charset=utf-8'];

/** The files of the analyst's page. @throws ERR_FILE_UNREADABLE when they were never built */
export function loadAnalystPage(): Promise<PageAssets> {
  return loadPageAssets(new URL('../', import.meta.url), 'src/build-page-main.ts', [PLACES]);
}
