// The Network port over both lanes. A call goes over the bulk lane (TLS 1.3) where the peer has an address for it, else over
// the control lane (Noise); what is served is served on both, under one guard, so that no bound can be had twice.
//
// A call that finds no way over the bulk lane, and of which no byte has left, is made again over the control lane. So a
// service may see a request without body twice: services are written to bear that.

import { short, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NetworkId, NodeId } from '../base/ids.ts';
import { ADDRESSES_MAX, BULK_RETRY_MS, CONNECT_TIMEOUT_MS } from '../base/limits.ts';
import type {
  CallOptions,
  Clock,
  Gossip,
  Network,
  NodeAddresses,
  Reply,
  Request,
  Verify,
} from '../base/ports.ts';
import { createDirectory, type NodeDirectory } from '../dht/directory.ts';
import { type DhtRecord, signRecord } from '../dht/record.ts';
import { type BulkClient, createBulkClient } from './bulk/client.ts';
import { formatEndpoint } from './bulk/endpoint.ts';
import { type BulkServer, createBulkServer } from './bulk/server.ts';
import type { ControlLane, ControlPeer, NodeLane } from './control/lane.ts';
import { nativeVerify } from './crypto.ts';
import type { Identity } from './identity.ts';
import { createServiceGuard, type ServiceGuard } from './service-guard.ts';

export interface NetworkOptions {
  readonly identity: Identity;
  readonly networkId: NetworkId;
  readonly clock: Clock;
  /** Secret that all nodes and clients of a closed network share, 32 bytes. */
  readonly preSharedKey?: Uint8Array;
  /** `control` sends everything over Noise: for measurements, and where only that port is open. */
  readonly lane?: 'both' | 'control';
}

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

export interface NetworkStatus {
  readonly self: NodeId;
  readonly addresses: NodeAddresses;
  /** Connections of the control lane. */
  readonly peers: readonly ControlPeer[];
  /** Different peers connected over the control lane. */
  readonly degree: number;
  readonly bulkConnectionsOut: number;
  readonly bulkConnectionsIn: number;
  /** Bytes of calls, both lanes: frames on the control lane, bodies that this node asked for or sent on the bulk lane. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly dhtTableSize: number;
  readonly dhtRecordCount: number;
}

export interface StatusNetwork extends Network {
  networkStatus(): NetworkStatus;
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
  const guard = createServiceGuard({ monotonic: () => options.clock.monotonic() });
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

// ---- Calls over two lanes ----------------------------------------------------------------------------------

interface Lanes {
  readonly options: NetworkOptions;
  readonly traffic: { received: number; sent: number };
  readonly bulk: BulkClient;
  /** The control lane, opened when it is not yet. */
  readonly control: () => Promise<ControlLane>;
  /** The control lane if it is open or opening. */
  readonly controlNow: () => Promise<ControlLane> | undefined;
  /** Whether a peer whose bulk lane cannot be reached is tried over the control lane. */
  readonly isFallbackAllowed: boolean;
}

interface KnownPeer {
  readonly addresses: NodeAddresses;
  /** After a failure of the bulk lane that the control lane made good, not before this time. */
  bulkFromMs: number;
}

function networkOver(lanes: Lanes): StatusNetwork {
  const { options, bulk, traffic } = lanes;
  const { clock } = options;
  const known = new Map<string, KnownPeer>();
  let isClosed = false;

  async function call(
    peer: NodeId,
    service: string,
    request: Request,
    callOptions: CallOptions = {},
  ): Promise<Reply> {
    if (isClosed) throw closed();
    const { signal } = callOptions;
    if (signal?.aborted === true)
      throw new StoreError('ABORTED', `${service} at node ${short(peer)}: aborted`);
    const entry = known.get(toHex(peer));
    const hasBulk = options.lane !== 'control' && (entry?.addresses.bulk.length ?? 0) > 0;
    if (!hasBulk || entry === undefined || entry.bulkFromMs > clock.monotonic()) {
      return callControl(peer, service, request, callOptions);
    }
    let bytes = 0;
    const counted: CallOptions = {
      ...callOptions,
      onBytes: (count) => {
        bytes += count;
        callOptions.onBytes?.(count);
      },
    };
    try {
      return await callBulk(peer, entry, service, request, counted);
    } catch (error) {
      const isLost = error instanceof StoreError && error.code === 'UNREACHABLE' && bytes === 0;
      if (!isLost || !lanes.isFallbackAllowed || isClosed) throw error;
      const reply = await callControl(peer, service, request, callOptions).catch((second: unknown) => {
        // The first reason is the one to tell, unless the peer was reached after all.
        throw second instanceof StoreError && second.code !== 'UNREACHABLE' ? second : error;
      });
      entry.bulkFromMs = clock.monotonic() + BULK_RETRY_MS;
      return reply;
    }
  }

  async function callBulk(
    peer: NodeId,
    { addresses }: KnownPeer,
    service: string,
    request: Request,
    callOptions: CallOptions,
  ): Promise<Reply> {
    const sent = (request.body ?? []).reduce((sum, part) => sum + part.length, 0);
    const reply = await bulk.call(peer, addresses.bulk, service, request, callOptions);
    traffic.sent += sent + request.header.length;
    traffic.received += reply.header.length + reply.body.length;
    return reply;
  }

  async function callControl(
    peer: NodeId,
    service: string,
    request: Request,
    callOptions: CallOptions,
  ): Promise<Reply> {
    const addresses = known.get(toHex(peer))?.addresses.control ?? [];
    // Without address and without open lane there is no way: libp2p is not loaded to find that out.
    if (addresses.length === 0 && lanes.controlNow() === undefined) {
      throw new StoreError('UNREACHABLE', `no address of node ${short(peer)} is known`);
    }
    const lane = await lanes.control();
    if (isClosed) throw closed();
    if (addresses.length > 0) lane.setAddresses(peer, addresses);
    return lane.calls.call(peer, service, request, callOptions);
  }

  return {
    self: options.identity.nodeId,
    setAddresses(peer, addresses) {
      const bounded = {
        control: addresses.control.slice(0, ADDRESSES_MAX),
        bulk: addresses.bulk.slice(0, ADDRESSES_MAX),
      };
      if (bounded.control.length + bounded.bulk.length === 0) known.delete(toHex(peer));
      else known.set(toHex(peer), { addresses: bounded, bulkFromMs: 0 });
    },
    call,
    async connect(address, signal) {
      if (isClosed) throw closed();
      const isBulk = address.endsWith('/tls');
      const limit = AbortSignal.any([
        AbortSignal.timeout(CONNECT_TIMEOUT_MS),
        ...(signal === undefined ? [] : [signal]),
      ]);
      const peer = isBulk
        ? await bulk.connect(address, limit)
        : await (await lanes.control()).connect(address, limit);
      const key = toHex(peer);
      const plain = address.replace(/\/p2p\/\w+$/, '');
      const addresses = { control: isBulk ? [] : [plain], bulk: isBulk ? [plain] : [] };
      if (!known.has(key)) known.set(key, { addresses, bulkFromMs: 0 });
      return peer;
    },
    serve() {
      throw new StoreError('UNSUPPORTED', 'a client network does not listen, so it serves nothing');
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      const opening = lanes.controlNow();
      await Promise.all([bulk.close(), opening?.then((lane) => lane.close()).catch(() => undefined)]);
    },
    networkStatus: () => ({
      self: options.identity.nodeId,
      addresses: { control: [], bulk: [] },
      peers: [],
      degree: 0,
      bulkConnectionsOut: bulk.connections,
      bulkConnectionsIn: 0,
      bytesReceived: traffic.received,
      bytesSent: traffic.sent,
      dhtTableSize: 0,
      dhtRecordCount: 0,
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

function closed(): StoreError {
  return new StoreError('CLOSED', 'the network is closed');
}
