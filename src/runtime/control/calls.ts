// Calls over the control lane: one long-lived stream per peer and direction, opened at the first call and again after
// it broke. A new stream per request would cost ten times the CPU.

import type { Stream } from '@libp2p/interface';
import { short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import {
  BULK_GRACE_MS,
  CONNECT_TIMEOUT_MS,
  CONTROL_STREAMS_PER_PROTOCOL,
  EXCHANGE_TIMEOUT_MS,
} from '../../base/limits.ts';
import type { CallOptions, Clock, Reply, Request } from '../../base/ports.ts';
import { longestLasting } from '../bulk/give-way.ts';
import type { BodyUse, ServiceGuard } from '../service-guard.ts';
import { type Caller, createCaller } from './caller.ts';
import { connectionLost, controlFailure, unlessAborted } from './failure.ts';
import type { Host } from './host.ts';
import type { Pipe } from './pipe.ts';
import { callProtocol } from './protocols.ts';
import { type BodyPace, serveStream } from './server.ts';

export interface ControlCalls {
  /** Throws the peer's refusal, or UNREACHABLE, TIMEOUT, ABORTED, WRONG_NETWORK, PROTOCOL, BUSY. */
  call(peer: NodeId, service: string, request: Request, options?: CallOptions): Promise<Reply>;
  /** A request without reply: resolves when there is room for the next. Throws UNREACHABLE, TIMEOUT, ABORTED, WRONG_NETWORK. */
  tell(peer: NodeId, service: string, header: Uint8Array, signal?: AbortSignal): Promise<void>;
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
  const callers = new Map<string, Caller>();
  const opening = new Map<string, Promise<Caller>>();
  const served = new Set<Pipe>();
  const paces = new Set<BodyPace>();
  const endLack = guard?.onLack(makeMemory);
  const stop = new AbortController();
  const traffic = (peer: NodeId) => (received: number, sent: number) =>
    options.onTraffic?.(peer, received, sent);

  if (guard !== undefined) {
    await host.handle(protocol, CONTROL_STREAMS_PER_PROTOCOL, (stream, from) => {
      const pipe = serveStream(stream, from, {
        guard,
        clock,
        paces,
        onTraffic: traffic(from),
        onEnd: () => served.delete(pipe),
      });
      if (pipe.isOpen) served.add(pipe);
      if (stop.signal.aborted) pipe.abort(closed());
    });
  }

  /** Ends the body that would hold memory for longer than a call may last by default, as on the bulk lane. */
  function makeMemory(use: BodyUse): boolean {
    const found = longestLasting(paces, clock.monotonic(), BULK_GRACE_MS, use, EXCHANGE_TIMEOUT_MS);
    found?.cut();
    return found !== undefined;
  }

  /** The opening of the peer's stream, shared by all who wait for it: the signal of one does not stop it for the others. */
  function openingOf(peer: NodeId): Promise<Caller> {
    const key = toHex(peer);
    let running = opening.get(key);
    if (running === undefined) {
      running = open(peer, key).finally(() => opening.delete(key));
      running.catch(() => undefined);
      opening.set(key, running);
    }
    return running;
  }

  async function open(peer: NodeId, key: string): Promise<Caller> {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const stream = await openStream(peer, signal);
    const caller = createCaller(stream, peer, {
      clock,
      onTraffic: traffic(peer),
      onEnd: () => {
        if (callers.get(key) === caller) callers.delete(key);
      },
    });
    if (stop.signal.aborted) caller.close(closed());
    if (caller.isOpen) callers.set(key, caller);
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

  /** The peer's open stream, or a new one. */
  async function callerTo(
    peer: NodeId,
    service: string,
    { signal, timeoutMs }: Pick<CallOptions, 'signal' | 'timeoutMs'>,
  ): Promise<Caller> {
    if (stop.signal.aborted) throw closed();
    const context = `${service} at node ${short(peer)}`;
    if (signal?.aborted === true) throw new StoreError('ABORTED', `${context}: aborted`);
    const open = callers.get(toHex(peer));
    if (open !== undefined) return open;
    const limits = [stop.signal, ...(signal === undefined ? [] : [signal])];
    if (timeoutMs !== undefined) limits.push(AbortSignal.timeout(timeoutMs));
    return await unlessAborted(openingOf(peer), AbortSignal.any(limits), context);
  }

  return {
    async call(peer, service, request, callOptions = {}) {
      const caller = await callerTo(peer, service, callOptions);
      return caller.call(service, request, callOptions);
    },
    async tell(peer, service, header, signal) {
      const caller = await callerTo(peer, service, signal === undefined ? {} : { signal });
      await caller.tell(service, header);
    },
    close() {
      endLack?.();
      stop.abort(closed());
      for (const caller of callers.values()) caller.close(closed());
      for (const pipe of served) pipe.abort(closed());
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
