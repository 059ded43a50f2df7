// healthcheck.mjs URL: exits with 0 when a service in this container answers 200. It asks the process
// beside it and gives it nothing, so any certificate will do.
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';

const [url] = process.argv.slice(2);
const get = url.startsWith('https:') ? getHttps : getHttp;
get(url, { rejectUnauthorized: false, timeout: 2_000 }, (response) => {
  process.exit(response.statusCode === 200 ? 0 : 1);
})
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
