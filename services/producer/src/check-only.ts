import { agreementOf } from './agreement.ts';
import { demandForms } from './canonical-texts.ts';
import { checkItems, refuseUnfit } from './check-collection.ts';
import {
  checkSource,
  nothingFound,
  type SourceRequest,
  type SourceSummary,
} from './check-source.ts';
import { wantedColumns } from './column-mapping.ts';
import { dialectText } from './csv-dialect.ts';
import { withPlace } from './portion-place.ts';
import type { SourceFormat } from './row-reader.ts';
import { identifySource } from './source-format.ts';

export interface CheckedSource extends SourceSummary {
  readonly dataset: string;
  readonly format: SourceFormat | 'auto';
  /** The dialect of CSV files, where one was given or detected. */
  readonly csv?: string;
  /** Of a collection. */
  readonly items?: number;
}

/**
 * `--dry-run`: reads the whole source as publishing would, and publishes nothing.
 * @throws ERR_CONTRACT_*, ERR_DATASET_UNKNOWN, and what `checkSource` throws
 */
export async function checkOnly(request: SourceRequest): Promise<CheckedSource> {
  const { dataset } = await agreementOf(request);
  demandForms(dataset, request);
  const { input, format } = request;
  const csv = request.csv === undefined ? {} : { csv: dialectText(request.csv) };
  const nothingSent = { newestEventTime: null, watermark: null };
  if (input.type === 'collection') {
    refuseUnfit(request);
    const items = await input.items();
    const summary = await checkItems(request, dataset, items, nothingSent);
    return { dataset: dataset.id, format, items: items.length, ...csv, ...summary };
  }
  if (input.type === 'growing') {
    refuseUnfit(request);
    const portion = await input.next(undefined, wantedColumns(dataset, request.columns));
    if (portion) {
      const check = () => checkSource(request, dataset, portion, nothingSent);
      const summary = await withPlace(portion, check);
      return { dataset: dataset.id, format: portion.format, ...summary };
    }
    return { dataset: dataset.id, format, ...nothingFound(nothingSent) };
  }
  const source = await identifySource(input, format);
  const summary = await checkSource(request, dataset, source, nothingSent);
  return { dataset: dataset.id, format: source.format, ...csv, ...summary };
}
