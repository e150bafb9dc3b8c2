// Hosts and raw streams for the tests of the control lane.

import type { Connection, Stream } from '@libp2p/interface';
import { toHex } from '../../../src/base/bytes.ts';
import type { NetworkId } from '../../../src/base/ids.ts';
import type { Clock } from '../../../src/base/ports.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { type ControlCalls, createControlCalls } from '../../../src/runtime/control/calls.ts';
import { createHost, type Host } from '../../../src/runtime/control/host.ts';
import type { HostOptions } from '../../../src/runtime/control/libp2p-options.ts';
import { ephemeralIdentity, type Identity } from '../../../src/runtime/identity.ts';
import { createServiceGuard, type ServiceGuard } from '../../../src/runtime/service-guard.ts';

export const networkId = new Uint8Array(32).fill(0x42) as NetworkId;

export interface Node {
  readonly identity: Identity;
  readonly host: Host;
  readonly calls: ControlCalls;
  readonly guard: ServiceGuard;
  readonly address: string;
}

const open: Node[] = [];

export async function startNode(
  changes: Partial<HostOptions<Record<string, never>>> = {},
  clock: Clock = systemClock,
): Promise<Node> {
  const identity = changes.identity ?? ephemeralIdentity();
  const host = (await createHost({
    identity,
    networkId,
    clock,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    services: {},
    ...changes,
  })) as unknown as Host;
  const guard = createServiceGuard();
  const calls = await createControlCalls({ host, networkId: changes.networkId ?? networkId, clock, guard });
  const node = { identity, host, calls, guard, address: String(host.libp2p.getMultiaddrs()[0]) };
  open.push(node);
  return node;
}

export async function stopNodes(): Promise<void> {
  await Promise.all(
    open.splice(0).map(async (node) => {
      node.calls.close();
      await node.host.stop();
    }),
  );
}

export function connect(from: Node, to: Node): Promise<Connection> {
  return from.host.connectionAt(to.address, AbortSignal.timeout(5000));
}

/** What a stream receives until it ends, and how it ended. */
export function listen(stream: Stream): { readonly bytes: () => string; readonly ended: Promise<string> } {
  const chunks: Uint8Array[] = [];
  const ended = new Promise<string>((resolve) => {
    stream.addEventListener('close', (event) => resolve(event.error === undefined ? 'closed' : 'reset'));
    stream.addEventListener('remoteCloseWrite', () => resolve('closed'));
  });
  stream.addEventListener('message', (event) => {
    chunks.push(event.data instanceof Uint8Array ? event.data : event.data.subarray());
  });
  return { bytes: () => chunks.map((chunk) => toHex(new Uint8Array(chunk))).join(''), ended };
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; !condition(); attempt++) {
    if (attempt > 500) throw new Error(`not within 10 s: ${what}`);
    await systemClock.sleep(20);
  }
}

/** A clock whose timers fire when the test says so. */
export function manualClock(): Clock & { advance(ms: number): void } {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: (delayMs, signal) => systemClock.sleep(delayMs, signal),
    timer(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of timers) {
        if (timer.atMs <= nowMs && timers.delete(timer)) timer.run();
      }
    },
  };
}
