// From configured hosts and ports to addresses: what a node listens on, and what it tells others.

import { isIPv4, isIPv6 } from 'node:net';
import { StoreError } from '../base/errors.ts';
import type { NodeAddresses } from '../base/ports.ts';
import type { NodeConfig } from './config.ts';

/** The control lane's address to listen on, as a multiaddr. */
export function controlListen({ host, controlPort }: NodeConfig): string {
  return `/${isIPv6(host) ? 'ip6' : 'ip4'}/${host}/tcp/${controlPort}`;
}

/**
 * What others are told by configuration; undefined leaves it to what the network finds. A host stands for both lanes under
 * their ports, an address for itself. Throws INVALID_CONFIG for a host when the ports are not fixed.
 */
export function announcedAddresses(config: NodeConfig): Partial<NodeAddresses> | undefined {
  if (config.announce.length === 0) return undefined;
  const control: string[] = [];
  const bulk: string[] = [];
  for (const entry of config.announce) {
    if (entry.startsWith('/')) (entry.endsWith('/tls') ? bulk : control).push(entry);
    else {
      if (config.controlPort === 0 || config.bulkPort === 0) {
        throw new StoreError('INVALID_CONFIG', `announce: the host ${entry} needs fixed ports`, {
          next: 'Set controlPort and bulkPort, or announce whole addresses such as /ip4/10.0.0.2/tcp/4002/tls.',
        });
      }
      const kind = isIPv4(entry) ? 'ip4' : isIPv6(entry) ? 'ip6' : 'dns';
      control.push(`/${kind}/${entry}/tcp/${config.controlPort}`);
      bulk.push(`/${kind}/${entry}/tcp/${config.bulkPort}/tls`);
    }
  }
  return { ...(control.length > 0 ? { control } : {}), ...(bulk.length > 0 ? { bulk } : {}) };
}

/** A loopback address means something on one machine only; it is told when there is nothing else to tell. */
export function withoutLoopback({ control, bulk }: NodeAddresses): NodeAddresses {
  return { control: reachable(control), bulk: reachable(bulk) };
}

function reachable(addresses: readonly string[]): readonly string[] {
  const others = addresses.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address));
  return others.length > 0 ? others : addresses;
}
