// The Network of a node and of a client: which lanes are opened, and when. A node listens on both, and what it serves stands behind
// one guard, so that no bound can be had twice. A client only dials, and libp2p is loaded when the first call needs it, if ever.

import { toHex } from '../base/bytes.ts';
import type { NodeId } from '../base/ids.ts';
import type { Gossip, NodeAddresses, Verify } from '../base/ports.ts';
import { createDirectory, type NodeDirectory } from '../dht/directory.ts';
import { type DhtRecord, signRecord } from '../dht/record.ts';
import { type BulkClient, createBulkClient } from './bulk/client.ts';
import { formatEndpoint } from './bulk/endpoint.ts';
import { type BulkServer, createBulkServer } from './bulk/server.ts';
import type { ControlLane, NodeLane } from './control/lane.ts';
import { nativeVerify } from './crypto.ts';
import { createServiceGuard, type ServiceGuard } from './service-guard.ts';
import { type NetworkOptions, networkOver, type StatusNetwork } from './two-lanes.ts';

export interface NodeNetworkOptions extends NetworkOptions {
  /** Multiaddrs of the control lane, `/ip4/0.0.0.0/tcp/4001`; port 0 takes any. */
  readonly controlListen: readonly string[];
  /** Address of the bulk lane; absent: pieces come over the control lane. */
  readonly bulkListen?: { readonly host: string; readonly port: number };
  /** What others are told, where it differs from what is listened on. */
  readonly announce?: Partial<NodeAddresses>;
  /** Peers that may connect at all; everyone when absent. */
  readonly isAllowed?: (node: NodeId) => boolean;
  /** Whose DHT records are kept and believed: the members of the epoch record in force. */
  readonly isMember: (node: NodeId) => boolean;
  readonly verify?: Verify;
  readonly dht?: {
    readonly lifetimeMs?: number;
    readonly republishMs?: number;
    readonly operationMs?: number;
  };
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
}

export interface NodeNetwork extends StatusNetwork {
  readonly gossip: Gossip;
  readonly directory: NodeDirectory;
  /** What to tell others: where this node can be reached. */
  addresses(): NodeAddresses;
}

/** For clients: asks, does not listen; libp2p is loaded at the first call to a peer without bulk address, if ever. */
export function createClientNetwork(options: NetworkOptions): StatusNetwork {
  const traffic = { received: 0, sent: 0 };
  let lane: Promise<ControlLane> | undefined;
  const openLane = async (): Promise<ControlLane> => {
    const { openClientLane } = await import('./control/lane.ts');
    return openClientLane({ ...options, onTraffic: countInto(traffic) });
  };
  return networkOver({
    options,
    traffic,
    bulk: bulkClientOf(options),
    control: () => (lane ??= openLane()),
    controlNow: () => lane,
    isFallbackAllowed: false,
  });
}

/** For nodes: both lanes, listening. Throws PORT_IN_USE or INVALID_ARGUMENT when an address cannot be had. */
export async function createNetwork(options: NodeNetworkOptions): Promise<NodeNetwork> {
  const traffic = { received: 0, sent: 0 };
  const guard = createServiceGuard({
    monotonic: () => options.clock.monotonic(),
    isMember: options.isMember,
  });
  const bulkServer = await bulkServerOf(options, guard);
  const lane = await openNodeLaneOr(options, guard, traffic, bulkServer);
  const directory = createDirectory({
    kademlia: lane.kademlia,
    clock: options.clock,
    sign: (record: DhtRecord) => signRecord(record, options.identity.signer),
    ...options.dht,
  });
  const addresses = (): NodeAddresses => ({
    control: options.announce?.control ?? lane.addresses(),
    bulk: options.announce?.bulk ?? (bulkServer === undefined ? [] : boundAddresses(bulkServer, lane)),
  });
  const network = networkOver({
    options,
    traffic,
    bulk: bulkClientOf(options),
    control: async () => lane,
    controlNow: () => Promise.resolve(lane),
    isFallbackAllowed: true,
  });
  return {
    ...network,
    gossip: lane.gossip,
    directory,
    addresses,
    serve: (service) => guard.serve(service),
    async close() {
      directory.close();
      await Promise.all([bulkServer?.close(), network.close()]);
    },
    networkStatus: () => ({
      ...network.networkStatus(),
      addresses: addresses(),
      peers: lane.peers(),
      degree: new Set(lane.peers().map((peer) => toHex(peer.node))).size,
      bulkConnectionsIn: bulkServer?.connections ?? 0,
      dhtTableSize: lane.kademlia.tableSize,
      dhtRecordCount: lane.kademlia.recordCount,
    }),
  };
}

// ---- Opening the lanes -------------------------------------------------------------------------------------

function bulkClientOf(options: NetworkOptions): BulkClient {
  return createBulkClient({
    network: options.networkId,
    signer: options.identity.signer,
    preSharedKey: options.preSharedKey,
  });
}

async function bulkServerOf(
  options: NodeNetworkOptions,
  guard: ServiceGuard,
): Promise<BulkServer | undefined> {
  if (options.bulkListen === undefined) return undefined;
  return createBulkServer({
    network: options.networkId,
    signer: options.identity.signer,
    preSharedKey: options.preSharedKey,
    guard,
    ...options.bulkListen,
    ...(options.isAllowed === undefined ? {} : { admits: options.isAllowed }),
  });
}

/** The node's control lane; when it cannot be had, the bulk lane is closed again. */
async function openNodeLaneOr(
  options: NodeNetworkOptions,
  guard: ServiceGuard,
  traffic: { received: number; sent: number },
  bulkServer: BulkServer | undefined,
): Promise<NodeLane> {
  try {
    const { openNodeLane } = await import('./control/lane.ts');
    const { announce, ...rest } = options;
    return await openNodeLane({
      ...rest,
      guard,
      listen: options.controlListen,
      ...(announce?.control === undefined ? {} : { announce: announce.control }),
      verify: options.verify ?? nativeVerify,
      onTraffic: countInto(traffic),
    });
  } catch (error) {
    await bulkServer?.close(0);
    throw error;
  }
}

/** Bulk addresses to tell: a server on all interfaces is at every address that the control lane found. */
function boundAddresses(server: BulkServer, lane: ControlLane): readonly string[] {
  const { host, port } = server.address;
  if (host !== '0.0.0.0' && host !== '::') return [formatEndpoint(host, port)];
  const hosts = lane
    .addresses()
    .flatMap((address) => /^\/(?:ip4|ip6|dns4|dns6|dns)\/([^/]+)\//.exec(address)?.[1] ?? []);
  return [...new Set(hosts)].map((found) => formatEndpoint(found, port));
}

function countInto(traffic: { received: number; sent: number }) {
  return (_peer: NodeId, received: number, sent: number): void => {
    traffic.received += received;
    traffic.sent += sent;
  };
}
