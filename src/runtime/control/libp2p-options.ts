// Every setting of libp2p that differs from its default, with the reason. The defaults are made for a public network of
// strangers with memory to spare: they would allow tens of GiB of buffers, and refuse a second node behind one address.

import { identify } from '@libp2p/identify';
import type { PrivateKey, ServiceMap } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { preSharedKey as protectWith } from '@libp2p/pnet';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p';
import { toHex, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import {
  ADDRESSES_MAX,
  CONNECT_TIMEOUT_MS,
  CONTROL_CONNECTIONS_MAX,
  CONTROL_STREAM_BUFFER,
  CONTROL_STREAM_WINDOW,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
} from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import type { Identity } from '../identity.ts';
import type { Gater } from './gater.ts';
import { lenientMuxer } from './muxer.ts';
import { noiseCrypto } from './noise-crypto.ts';
import { wholeFrames } from './noise-frames.ts';
import { networkPrefix } from './protocols.ts';

const NETWORK_KEY_LENGTH = 32;

export interface HostOptions<Services extends ServiceMap> {
  readonly identity: Identity;
  readonly networkId: NetworkId;
  readonly clock: Clock;
  /** Multiaddrs to listen on, `/ip4/0.0.0.0/tcp/4001`; empty: only dial. */
  readonly listen: readonly string[];
  /** Addresses that others are told, where they differ from those listened on. */
  readonly announce?: readonly string[];
  /** 32 secret bytes that every node of a closed network has; who lacks them learns nothing. */
  readonly preSharedKey?: Uint8Array;
  /** Peers that may connect; everyone when absent. */
  readonly isAllowed?: (peer: NodeId) => boolean;
  readonly services: ServiceFactoryMap<Services>;
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
}

/** What `createLibp2p` is given; it does not start by itself. Throws INVALID_CONFIG for a network key of a wrong length. */
export function libp2pOptions<Services extends ServiceMap>(
  options: HostOptions<Services>,
  gater: Gater,
  privateKey: PrivateKey,
): Libp2pOptions {
  const prefix = networkPrefix(options.networkId);
  const pingTimeoutMs = options.pingTimeoutMs ?? PING_TIMEOUT_MS;
  return {
    start: false,
    privateKey,
    addresses: { listen: [...options.listen], announce: [...(options.announce ?? [])] },
    nodeInfo: { name: 'holdfast', version: '', userAgent: 'holdfast' },
    transports: [tcp({ maxConnections: CONTROL_CONNECTIONS_MAX, backlog: CONTROL_CONNECTIONS_MAX })],
    connectionEncrypters: [wholeFrames(noise({ crypto: noiseCrypto }))],
    streamMuxers: [
      lenientMuxer(
        yamux({
          maxInboundStreams: 64,
          maxOutboundStreams: 128,
          streamOptions: {
            // Windows below the read buffer: a slow reader is paused, never reset by its peer's lawful traffic.
            maxStreamWindowSize: CONTROL_STREAM_WINDOW,
            maxReadBufferLength: CONTROL_STREAM_BUFFER,
            maxWriteBufferLength: CONTROL_STREAM_BUFFER,
          },
        }),
      ),
    ],
    connectionGater: gater.libp2p,
    connectionManager: {
      maxConnections: CONTROL_CONNECTIONS_MAX,
      // Many nodes may share an address; the default of 5 a second would refuse most of them.
      inboundConnectionThreshold: CONTROL_CONNECTIONS_MAX,
      maxIncomingPendingConnections: CONTROL_CONNECTIONS_MAX / 2,
      maxPeerAddrsToDial: ADDRESSES_MAX,
      dialTimeout: CONNECT_TIMEOUT_MS,
      inboundUpgradeTimeout: CONNECT_TIMEOUT_MS,
      reconnectRetries: 0,
    },
    connectionMonitor: {
      protocolPrefix: prefix,
      pingInterval: options.pingIntervalMs ?? PING_INTERVAL_MS,
      pingTimeout: { minTimeout: pingTimeoutMs, maxTimeout: pingTimeoutMs },
      abortConnectionOnPingFailure: true,
    },
    ...(options.preSharedKey === undefined
      ? {}
      : {
          connectionProtector: protectWith({
            psk: swarmKey(options.preSharedKey),
            timeout: CONNECT_TIMEOUT_MS,
          }),
        }),
    services: {
      identify: identify({ protocolPrefix: prefix }),
      ping: ping({ protocolPrefix: prefix }),
      ...options.services,
    } as Libp2pOptions['services'] & object,
  };
}

/** A network key in the form that libp2p reads. */
function swarmKey(key: Uint8Array): Uint8Array {
  if (key.length !== NETWORK_KEY_LENGTH) {
    throw new StoreError(
      'INVALID_CONFIG',
      `a pre-shared network key has ${NETWORK_KEY_LENGTH} bytes, not ${key.length}`,
    );
  }
  return toUtf8(`/key/swarm/psk/1.0.0/\n/base16/\n${toHex(key)}`);
}
