// The control lane as a whole: libp2p host, calls, and for nodes gossip and DHT. The only module that the rest of the runtime
// loads for it, and it does so late: libp2p takes half a second to load, which a command that only moves pieces never pays.

import type { GossipSub } from '@chainsafe/libp2p-gossipsub';
import type { ServiceMap } from '@libp2p/interface';
import type { KadDHTComponents } from '@libp2p/kad-dht';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import type { Clock, Verify } from '../../base/ports.ts';
import { type Kademlia, type KademliaService, kademliaService } from '../../dht/kademlia.ts';
import type { Identity } from '../identity.ts';
import { nodeIdFromPeerIdText } from '../peer-id.ts';
import type { ServiceGuard } from '../service-guard.ts';
import { type ControlCalls, createControlCalls } from './calls.ts';
import { type ControlGossip, createGossip, gossipService } from './gossip.ts';
import { createHost, type Host } from './host.ts';
import { dhtProtocol } from './protocols.ts';

export interface ControlLaneOptions {
  readonly identity: Identity;
  readonly networkId: NetworkId;
  readonly clock: Clock;
  readonly preSharedKey?: Uint8Array;
  readonly onTraffic?: (peer: NodeId, received: number, sent: number) => void;
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
}

export interface NodeLaneOptions extends ControlLaneOptions {
  readonly listen: readonly string[];
  readonly announce?: readonly string[];
  readonly guard: ServiceGuard;
  readonly isAllowed?: (node: NodeId) => boolean;
  /** Whose records the DHT keeps and believes. */
  readonly isMember: (node: NodeId) => boolean;
  readonly verify: Verify;
}

/** A connection of the control lane. */
export interface ControlPeer {
  readonly node: NodeId;
  readonly direction: 'inbound' | 'outbound';
  readonly address: string;
  /** Last measured round trip; absent before the first. */
  readonly latencyMs: number | undefined;
  readonly openedAtMs: number;
}

export interface ControlLane {
  readonly calls: ControlCalls;
  setAddresses(peer: NodeId, addresses: readonly string[]): void;
  connect(address: string, signal: AbortSignal): Promise<NodeId>;
  /** Where others can dial this node. */
  addresses(): readonly string[];
  peers(): readonly ControlPeer[];
  close(): Promise<void>;
}

export interface NodeLane extends ControlLane {
  readonly gossip: ControlGossip;
  readonly kademlia: Kademlia;
}

/** For clients: dials, does not listen, takes no part in gossip and DHT. */
export async function openClientLane(options: ControlLaneOptions): Promise<ControlLane> {
  const host: Host = await createHost({ ...options, listen: [], services: {} });
  return laneOver(host, await createControlCalls({ ...options, host }));
}

/** For nodes. Throws PORT_IN_USE, or INVALID_ARGUMENT for an address that cannot be listened on. */
export async function openNodeLane(options: NodeLaneOptions): Promise<NodeLane> {
  const { networkId, clock } = options;
  const createDht = kademliaService({
    protocol: dhtProtocol(networkId),
    rules: { network: networkId, verify: options.verify, isMember: options.isMember },
    clock,
  });
  const host = await createHost<NodeServices>({
    ...options,
    services: {
      dht: (components) => createDht(components as unknown as KadDHTComponents),
      gossip: gossipService(networkId),
    },
  });
  const { dht, gossip } = host.libp2p.services;
  // A dead node would stay in the routing table and cost every look-up a dial.
  host.libp2p.addEventListener('peer:disconnect', ({ detail }) => {
    dht.kademlia.remove(detail).catch(() => undefined);
  });
  const plainHost = host as unknown as Host;
  const calls = await createControlCalls({ ...options, host: plainHost });
  return {
    ...laneOver(plainHost, calls),
    gossip: createGossip(gossip, networkId, clock),
    kademlia: dht.kademlia,
  };
}

interface NodeServices extends ServiceMap {
  readonly dht: KademliaService;
  readonly gossip: GossipSub;
}

function laneOver(host: Host, calls: ControlCalls): ControlLane {
  return {
    calls,
    setAddresses: (peer, addresses) => host.setAddresses(peer, addresses),
    async connect(address, signal) {
      const connection = await host.connectionAt(address, signal);
      return nodeIdFromPeerIdText(connection.remotePeer.toString());
    },
    addresses: () => host.libp2p.getMultiaddrs().map((address) => withoutPeer(address.toString())),
    peers: () =>
      host.libp2p.getConnections().map((connection) => ({
        node: nodeIdFromPeerIdText(connection.remotePeer.toString()),
        direction: connection.direction,
        address: withoutPeer(connection.remoteAddr.toString()),
        latencyMs: connection.rtt,
        openedAtMs: connection.timeline.open,
      })),
    async close() {
      calls.close();
      await host.stop();
    },
  };
}

/** Node ids are told apart from addresses everywhere. */
function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '');
}
