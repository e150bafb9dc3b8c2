// Who may connect: peers that proved to be of another network or broke the protocol are left alone for a while, and
// nobody holds more than a few connections. libp2p asks at every step of a connection; the earliest step that knows
// the peer's key decides.

import type { ConnectionGater, PeerId } from '@libp2p/interface';
import { StoreError } from '../../base/errors.ts';
import { CONTROL_CONNECTIONS_PER_PEER, PEER_BAN_MS, PEERS_BANNED_MAX } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';

export interface Gater {
  readonly libp2p: ConnectionGater;
  /** Neither dials nor accepts the peer for PEER_BAN_MS. */
  ban(peer: PeerId, reason: StoreError): void;
  /** Why the peer is banned now, if it is. */
  banOf(peer: PeerId): StoreError | undefined;
  /** Forgets the ban of a peer, named by the text of its peer id. */
  pardon(peer: string): void;
}

export interface GaterOptions {
  readonly clock: Clock;
  readonly connectionCount: (peer: PeerId) => number;
  /** The operator's own rule; undefined lets everyone in. */
  readonly isAllowed?: (peer: PeerId) => boolean;
}

export function createGater({ clock, connectionCount, isAllowed }: GaterOptions): Gater {
  /** In order of their end, which is the order of insertion. */
  const bans = new Map<string, { readonly reason: StoreError; readonly untilMs: number }>();

  function banOf(peer: PeerId): StoreError | undefined {
    const ban = bans.get(peer.toString());
    if (ban === undefined) return undefined;
    if (ban.untilMs > clock.monotonic()) return ban.reason;
    bans.delete(peer.toString());
    return undefined;
  }

  const isDenied = (peer: PeerId): boolean => banOf(peer) !== undefined || isAllowed?.(peer) === false;
  return {
    libp2p: {
      denyDialPeer: isDenied,
      denyInboundEncryptedConnection: (peer) =>
        isDenied(peer) || connectionCount(peer) >= CONTROL_CONNECTIONS_PER_PEER,
      // Not the bans: an address whose owner was unknown is dialled because a person asked for it.
      denyOutboundEncryptedConnection: (peer) => isAllowed?.(peer) === false,
      // The default would refuse loopback and private addresses in browsers; a private network lives on them.
      denyDialMultiaddr: () => false,
    },
    banOf,
    pardon: (peer) => {
      bans.delete(peer);
    },
    ban(peer, reason) {
      const key = peer.toString();
      bans.delete(key);
      bans.set(key, { reason, untilMs: clock.monotonic() + PEER_BAN_MS });
      if (bans.size > PEERS_BANNED_MAX) bans.delete(bans.keys().next().value!);
    },
  };
}
