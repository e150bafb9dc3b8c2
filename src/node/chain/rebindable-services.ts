// A network on which a service may be served again by another: a validator starts and stops while its node goes on, and brings its services
// each time. Between two lives of it, who calls is told that it is not at work.

import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Gossip, GossipVerdict, Network, Service } from '../../base/ports.ts';

/** `absent` says what the node is not at the moment, and is thrown at whoever calls then. */
export function rebindable(
  network: Network,
  absent: () => StoreError = notValidating,
): Network & { unbind(): void } {
  const bound = new Map<string, Service | undefined>();
  const current = (name: string): Service => {
    const service = bound.get(name);
    if (service !== undefined) return service;
    throw absent();
  };
  return {
    self: network.self,
    setAddresses: (peer, addresses) => network.setAddresses(peer, addresses),
    call: (peer, service, request, options) => network.call(peer, service, request, options),
    tell: (peer, service, header, signal) => network.tell(peer, service, header, signal),
    connect: (address, signal) => network.connect(address, signal),
    serve: (service) => {
      const { name } = service;
      const isNew = !bound.has(name);
      bound.set(name, service);
      if (!isNew) return;
      network.serve({
        ...service,
        admit: async (from, header, bodyLength) => current(name).admit?.(from, header, bodyLength),
        handle: (from, header, body, signal) => current(name).handle(from, header, body, signal),
      });
    },
    /** The network stays its owner's. */
    close: () => Promise.resolve(),
    unbind: () => {
      for (const name of bound.keys()) bound.set(name, undefined);
    },
  };
}

function notValidating(): StoreError {
  return new StoreError('CLOSED', 'this node is no validator now');
}

/** The same of topics, each of which has one handler at a node. */
export function rebindableGossip(gossip: Gossip): Gossip {
  const bound = new Map<string, (from: NodeId, message: Uint8Array) => Promise<GossipVerdict>>();
  return {
    publish: (topic, message) => gossip.publish(topic, message),
    subscribe: (topic, handle) => {
      const isNew = !bound.has(topic);
      bound.set(topic, handle);
      if (isNew) gossip.subscribe(topic, (from, message) => bound.get(topic)!(from, message));
      else gossip.setListening?.(topic, true);
    },
    setListening: (topic, isListening) => gossip.setListening?.(topic, isListening),
    listeners: (topic) => gossip.listeners?.(topic) ?? 1,
  };
}
