// The serving side of the network in memory: the bounds of a Service as the real lanes enforce them, on the clock of the simulation.

import { toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock, ServedReply, Service } from '../base/ports.ts';

export interface MemoryServer {
  readonly services: Map<string, Service>;
  /** Requests under way, by service and peer. */
  readonly inFlight: Map<string, number>;
  readonly buckets: Map<string, { tokens: number; atMs: number }>;
  /** Requests that came, by service. */
  readonly calls: Map<string, number>;
}

/** Enforces the service's bounds, then runs its handler. */
export async function serveBounded(
  clock: Clock,
  from: NodeId,
  target: MemoryServer,
  name: string,
  header: Uint8Array,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<ServedReply> {
  const service = target.services.get(name);
  if (service === undefined) throw new StoreError('UNSUPPORTED', `service ${name} is not offered`);
  target.calls.set(name, (target.calls.get(name) ?? 0) + 1);
  if (header.length > service.maxHeaderLength || body.length > service.maxBodyLength) {
    throw new StoreError('PROTOCOL', `${name}: request is longer than the service takes`);
  }
  const peerKey = `${name}/${toHex(from)}`;
  const running = target.inFlight.get(peerKey) ?? 0;
  if (running >= service.maxConcurrentPerPeer || !takeToken(clock, target, service, peerKey)) {
    throw new StoreError('BUSY', `${name}: too many requests`);
  }
  target.inFlight.set(peerKey, running + 1);
  try {
    return await handleWithin(clock, service, signal, async (handlerSignal) => {
      await service.admit?.(from, header, body.length);
      return service.handle(from, header, body, handlerSignal);
    });
  } catch (error) {
    // The insides of a defect stay at home.
    if (error instanceof StoreError) throw error;
    throw new StoreError('INTERNAL', `${name}: the handler failed`, { cause: error });
  } finally {
    target.inFlight.set(peerKey, target.inFlight.get(peerKey)! - 1);
  }
}

/** Runs a handler under the time limit of its service and the life of the call. */
async function handleWithin(
  clock: Clock,
  service: Service,
  callSignal: AbortSignal,
  run: (signal: AbortSignal) => Promise<ServedReply>,
): Promise<ServedReply> {
  const stop = new AbortController();
  const late = new StoreError(
    'TIMEOUT',
    `${service.name}: the handler took longer than ${service.timeoutMs} ms`,
  );
  const cancel = clock.timer(service.timeoutMs, () => stop.abort(late));
  const onAbort = (): void => stop.abort(callSignal.reason);
  callSignal.addEventListener('abort', onAbort, { once: true });
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason as StoreError), { once: true });
  });
  try {
    return await Promise.race([stopped, run(stop.signal)]);
  } finally {
    cancel();
    callSignal.removeEventListener('abort', onAbort);
  }
}

function takeToken(clock: Clock, target: MemoryServer, service: Service, peerKey: string): boolean {
  const nowMs = clock.monotonic();
  const burst = 2 * service.maxPerSecondPerPeer;
  const bucket = target.buckets.get(peerKey) ?? { tokens: burst, atMs: nowMs };
  const refilled = bucket.tokens + ((nowMs - bucket.atMs) / 1000) * service.maxPerSecondPerPeer;
  const tokens = Math.min(burst, refilled);
  target.buckets.set(peerKey, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
  return tokens >= 1;
}
