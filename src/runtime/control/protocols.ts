// Names on the wire. Only the hello is the same everywhere; every other protocol and topic stands under its network, so
// that two networks on one machine or behind one address never mix, even before the hello is over.

import { toHex } from '../../base/bytes.ts';
import type { NetworkId } from '../../base/ids.ts';

/** The first exchange on a connection: which network do you belong to? */
export const HELLO_PROTOCOL = '/holdfast/hello';

/** First 16 hex digits of the network id: no accident makes two alike, and the hello compares all 64. */
export function networkPrefix(network: NetworkId): string {
  return `holdfast/${toHex(network.subarray(0, 8))}`;
}

export function callProtocol(network: NetworkId): string {
  return `/${networkPrefix(network)}/call`;
}

export function dhtProtocol(network: NetworkId): string {
  return `/${networkPrefix(network)}/dht`;
}

/** Gossip topic as libp2p sees it. */
export function topicName(network: NetworkId, topic: string): string {
  return `/${networkPrefix(network)}/topic/${topic}`;
}
