import http from 'node:http';
import https from 'node:https';
import { RuntimeError } from './coded-error.ts';

/**
 * The way out of an organisation that lets nothing out but through a proxy, as HTTPS_PROXY and
 * NO_PROXY name it. HTTPS alone takes it, and stays closed on the way: the proxy learns host names.
 * Plain HTTP is for this machine and the network around it, such as a cloud's metadata service.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** As Node's agents take it: empty where there is no proxy. */
export type ProxyEnvironment = {
  readonly HTTPS_PROXY?: string;
  readonly NO_PROXY?: string;
};

/** What no proxy reaches, whatever NO_PROXY says. */
const THIS_MACHINE = 'localhost,127.0.0.1,[::1]';

/** @throws ERR_CONFIG_INVALID for what is no address of a proxy; it may hold a password */
export function proxyFrom(environment: Environment = process.env): ProxyEnvironment {
  const address = environment['https_proxy'] || environment['HTTPS_PROXY'];
  if (!address) return {};
  if (!/^https?:$/.test(URL.parse(address)?.protocol ?? '')) {
    const expected = 'an http: or https: address';
    throw new RuntimeError('ERR_CONFIG_INVALID', { setting: 'HTTPS_PROXY', expected });
  }
  const exempt = environment['no_proxy'] || environment['NO_PROXY'];
  return { HTTPS_PROXY: address, NO_PROXY: [exempt, THIS_MACHINE].filter(Boolean).join(',') };
}

/** From here on requests without an agent of their own, `fetch` too, leave through the proxy. */
export function useProxy(environment: Environment = process.env): void {
  const proxy = proxyFrom(environment);
  if (proxy.HTTPS_PROXY !== undefined) http.setGlobalProxyFromEnv(proxy);
}

/** For clients that would make one without the proxy. */
export function httpsAgent(options: https.AgentOptions = {}): https.Agent {
  return new https.Agent({ ...options, proxyEnv: proxyFrom() });
}
