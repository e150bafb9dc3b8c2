import type { PeerId } from '@libp2p/interface';
import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import { CONTROL_CONNECTIONS_PER_PEER, PEER_BAN_MS, PEERS_BANNED_MAX } from '../../../src/base/limits.ts';
import { createGater } from '../../../src/runtime/control/gater.ts';
import { manualClock } from './fixture.ts';

const reason = new StoreError('WRONG_NETWORK', 'another network');
const peer = (name: string): PeerId => ({ toString: () => name }) as PeerId;

describe('the gater', () => {
  test('neither dials nor accepts a banned peer, until the ban ends or a person asks for it', () => {
    const clock = manualClock();
    const gater = createGater({ clock, connectionCount: () => 0 });
    gater.ban(peer('a'), reason);
    expect([gater.banOf(peer('a')), gater.banOf(peer('b'))]).toEqual([reason, undefined]);
    expect(gater.libp2p.denyDialPeer!(peer('a'))).toBe(true);
    expect(gater.libp2p.denyInboundEncryptedConnection!(peer('a'), {} as never)).toBe(true);
    clock.advance(PEER_BAN_MS);
    expect(gater.libp2p.denyDialPeer!(peer('a'))).toBe(false);
    gater.ban(peer('a'), reason);
    gater.pardon('a');
    expect(gater.libp2p.denyDialPeer!(peer('a'))).toBe(false);
  });

  test('remembers a bounded number of bans, and forgets the oldest', () => {
    const gater = createGater({ clock: manualClock(), connectionCount: () => 0 });
    for (let index = 0; index <= PEERS_BANNED_MAX; index++) gater.ban(peer(`p${index}`), reason);
    expect(gater.banOf(peer('p0'))).toBeUndefined();
    expect(gater.banOf(peer('p1'))).toBe(reason);
    expect(gater.banOf(peer(`p${PEERS_BANNED_MAX}`))).toBe(reason);
  });

  test('gives one peer a few connections', () => {
    let count = CONTROL_CONNECTIONS_PER_PEER - 1;
    const gater = createGater({ clock: manualClock(), connectionCount: () => count });
    expect(gater.libp2p.denyInboundEncryptedConnection!(peer('a'), {} as never)).toBe(false);
    count += 1;
    expect(gater.libp2p.denyInboundEncryptedConnection!(peer('a'), {} as never)).toBe(true);
  });

  test('keeps out whom the operator does not allow, in both directions', () => {
    const gater = createGater({
      clock: manualClock(),
      connectionCount: () => 0,
      isAllowed: (one) => String(one) === 'a',
    });
    for (const [name, isDenied] of [
      ['a', false],
      ['b', true],
    ] as const) {
      expect(gater.libp2p.denyDialPeer!(peer(name))).toBe(isDenied);
      expect(gater.libp2p.denyInboundEncryptedConnection!(peer(name), {} as never)).toBe(isDenied);
      expect(gater.libp2p.denyOutboundEncryptedConnection!(peer(name), {} as never)).toBe(isDenied);
    }
  });
});
