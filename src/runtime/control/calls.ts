// Calls over the control lane: one long-lived stream per peer and direction, opened at the first call and again after
// it broke. A new stream per request would cost ten times the CPU.

import type { Stream } from '@libp2p/interface';
import { short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import { CONNECT_TIMEOUT_MS, CONTROL_STREAMS_PER_PROTOCOL } from '../../base/limits.ts';
import type { CallOptions, Clock, Reply, Request } from '../../base/ports.ts';
import type { ServiceGuard } from '../service-guard.ts';
import { type Caller, createCaller } from './caller.ts';
import { connectionLost, controlFailure, unlessAborted } from './failure.ts';
import type { Host } from './host.ts';
import { callProtocol } from './protocols.ts';
import { serveStream } from './server.ts';

export interface ControlCalls {
  /** Throws the peer's refusal, or UNREACHABLE, TIMEOUT, ABORTED, WRONG_NETWORK, PROTOCOL, BUSY. */
  call(peer: NodeId, service: string, request: Request, options?: CallOptions): Promise<Reply>;
  /** Ends every call under way. */
  close(): void;
}

export interface ControlCallsOptions {
  readonly host: Host;
  readonly networkId: NetworkId;
  readonly clock: Clock;
  /** Serves what peers ask; absent: this node only asks. */
  readonly guard?: ServiceGuard;
  readonly onTraffic?: (peer: NodeId, received: number, sent: number) => void;
}

export async function createControlCalls(options: ControlCallsOptions): Promise<ControlCalls> {
  const { host, networkId, clock, guard } = options;
  const protocol = callProtocol(networkId);
  const callers = new Map<string, Promise<Caller>>();
  const stop = new AbortController();
  const traffic = (peer: NodeId) => (received: number, sent: number) =>
    options.onTraffic?.(peer, received, sent);

  if (guard !== undefined) {
    await host.handle(protocol, CONTROL_STREAMS_PER_PROTOCOL, (stream, from) => {
      const pipe = serveStream(stream, from, { guard, clock, onTraffic: traffic(from) });
      stop.signal.addEventListener('abort', () => pipe.abort(closed()), { once: true });
    });
  }

  /** The peer's stream, shared by all its callers: one caller's signal does not stop the opening for the others. */
  async function callerOf(peer: NodeId): Promise<Caller> {
    const key = toHex(peer);
    const known = callers.get(key);
    if (
      known !== undefined &&
      (await known.then(
        (caller) => caller.isOpen,
        () => false,
      ))
    )
      return known;
    if (callers.get(key) !== known) return callerOf(peer);
    const opening = open(peer);
    callers.set(key, opening);
    opening.catch(() => {
      if (callers.get(key) === opening) callers.delete(key);
    });
    return opening;
  }

  async function open(peer: NodeId): Promise<Caller> {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const key = toHex(peer);
    const caller = createCaller(await openStream(peer, signal), peer, {
      clock,
      onTraffic: traffic(peer),
      onEnd: () => {
        const current = callers.get(key);
        current?.then(
          (other) => other === caller && callers.get(key) === current && callers.delete(key),
          () => false,
        );
      },
    });
    return caller;
  }

  async function openStream(peer: NodeId, signal: AbortSignal): Promise<Stream> {
    const connection = await host.connectionTo(peer, signal);
    try {
      return await connection.newStream(protocol, { signal });
    } catch (error) {
      if (!isStale(error)) throw controlFailure(error, 'UNREACHABLE', `node ${short(peer)}`);
      connection.abort(connectionLost(error, `node ${short(peer)}`));
    }
    try {
      return await (await host.connectionTo(peer, signal)).newStream(protocol, { signal });
    } catch (error) {
      throw controlFailure(error, 'UNREACHABLE', `node ${short(peer)}`);
    }
  }

  return {
    async call(peer, service, request, callOptions = {}) {
      if (stop.signal.aborted) throw closed();
      const { signal, timeoutMs } = callOptions;
      if (signal?.aborted === true)
        throw new StoreError('ABORTED', `${service} at node ${short(peer)}: aborted`);
      const limits = [stop.signal, ...(signal === undefined ? [] : [signal])];
      if (timeoutMs !== undefined) limits.push(AbortSignal.timeout(timeoutMs));
      const context = `${service} at node ${short(peer)}`;
      const caller = await unlessAborted(callerOf(peer), AbortSignal.any(limits), context);
      return caller.call(service, request, callOptions);
    },
    close() {
      stop.abort(closed());
      for (const opening of callers.values())
        opening.then((caller) => caller.close(closed())).catch(() => undefined);
      callers.clear();
    },
  };
}

/** The peer restarted and its old connection is found broken only now. */
function isStale(error: unknown): boolean {
  return error instanceof Error && /Clos|Reset/.test(error.name);
}

function closed(): StoreError {
  return new StoreError('CLOSED', 'the network is closed');
}
