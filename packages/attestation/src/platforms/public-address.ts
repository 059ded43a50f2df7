import { BlockList, isIP } from 'node:net';

/**
 * Which addresses a fetch may reach: those of the public Internet. A name that somebody else's DNS
 * resolves must not lead to this machine, its network, or a cloud's metadata service.
 */

/** IANA's special-purpose registry for IPv4 (RFC 6890 and its updates). */
const SPECIAL_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // Azure's host, reachable from every virtual machine under this one public-looking address.
  ['168.63.129.16', 32],
] as const;

/** Global unicast is 2000::/3; inside of it these lead elsewhere, or carry an IPv4 address. */
const SPECIAL_IPV6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;

const specialIpv4 = new BlockList();
for (const [address, bits] of SPECIAL_IPV4) specialIpv4.addSubnet(address, bits, 'ipv4');
const globalIpv6 = new BlockList();
globalIpv6.addSubnet('2000::', 3, 'ipv6');
const specialIpv6 = new BlockList();
for (const [address, bits] of SPECIAL_IPV6) specialIpv6.addSubnet(address, bits, 'ipv6');

/** Anything that is no plain address, such as one with a zone, is not public. */
export function isPublicAddress(address: string): boolean {
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 4) return !specialIpv4.check(address, 'ipv4');
  if (family !== 6) return false;
  // The IPv4 forms (::ffff:0:0/96, 64:ff9b::/96, ::/96) all lie outside of 2000::/3.
  return globalIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');
}
