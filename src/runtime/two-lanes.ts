// Calls over two lanes: the bulk lane (TLS 1.3) where the peer has an address for it, else the control lane (Noise).
//
// A call that finds no way over the bulk lane, and of whose body no byte has left, is made again over the control lane. So a
// service may see a request twice: services are written to bear that. A peer that was reached in this way is called over the control lane
// for a while, so that not every call waits for a dead port first.

import { short, toHex } from '../base/bytes.ts';
import { type ErrorCode, StoreError } from '../base/errors.ts';
import type { NetworkId, NodeId } from '../base/ids.ts';
import { ADDRESSES_MAX, BULK_RETRY_MS, CONNECT_TIMEOUT_MS, TELL_LENGTH_MAX } from '../base/limits.ts';
import type { CallOptions, Clock, Network, NodeAddresses, Reply, Request } from '../base/ports.ts';
import type { BulkClient } from './bulk/client.ts';
import type { ControlLane, ControlPeer } from './control/lane.ts';
import type { Identity } from './identity.ts';

export interface NetworkOptions {
  readonly identity: Identity;
  readonly networkId: NetworkId;
  readonly clock: Clock;
  /** Secret that all nodes and clients of a closed network share, 32 bytes. */
  readonly preSharedKey?: Uint8Array;
  /** `control` sends everything over Noise, where the peer's address for it is known: for measurements. */
  readonly lane?: 'both' | 'control';
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

export interface Lanes {
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
  /** The control lane that was told the addresses: parsing them costs as much as a frame. */
  toldTo?: ControlLane;
}

const WAY_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNREACHABLE',
  'TIMEOUT',
  'ABORTED',
  'WRONG_NETWORK',
  'CLOSED',
]);

/** Calls over both lanes; what is served, and its status, the caller adds. */
export function networkOver(lanes: Lanes): StatusNetwork {
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
    // A peer met by its bulk address alone, as bootstrap nodes are, is asked there where it can be reached otherwise.
    const isForced = options.lane === 'control' && (entry?.addresses.control.length ?? 0) > 0;
    const hasBulk = !isForced && (entry?.addresses.bulk.length ?? 0) > 0;
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
    return (await controlTo(peer)).calls.call(peer, service, request, callOptions);
  }

  /** The control lane, which knows where the peer is. */
  async function controlTo(peer: NodeId): Promise<ControlLane> {
    const entry = known.get(toHex(peer));
    const addresses = entry?.addresses.control ?? [];
    // Without address and without open lane there is no way: libp2p is not loaded to find that out.
    if (addresses.length === 0 && lanes.controlNow() === undefined) {
      throw new StoreError('UNREACHABLE', `no address of node ${short(peer)} is known`);
    }
    const lane = await lanes.control();
    if (isClosed) throw closed();
    if (entry !== undefined && addresses.length > 0 && entry.toldTo !== lane) {
      lane.setAddresses(peer, addresses);
      entry.toldTo = lane;
    }
    return lane;
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
    async tell(peer, service, header, signal) {
      if (isClosed) throw closed();
      if (header.length > TELL_LENGTH_MAX)
        throw new StoreError('INVALID_ARGUMENT', `${service}: request beyond every bound`);
      const addresses = known.get(toHex(peer))?.addresses;
      if (addresses !== undefined && addresses.control.length === 0) {
        await call(peer, service, { header }, signal === undefined ? {} : { signal }).catch(ignoreRefusal);
        return;
      }
      await (await controlTo(peer)).calls.tell(peer, service, header, signal);
    },
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

/** Who tells hears of its way to the peer only, not what the peer thinks of it. */
function ignoreRefusal(error: unknown): void {
  const isWay = error instanceof StoreError && WAY_CODES.has(error.code);
  if (isWay) throw error;
}

function closed(): StoreError {
  return new StoreError('CLOSED', 'the network is closed');
}
