// The asking end of a call stream: many calls under way at once, told apart by id, each with its own time limit and signal.
//
// Invariants: a call ends exactly once, and the memory of its body is not read after that; memory for a reply is taken
// only within what its caller said it accepts; what the server sends for calls that are over is dropped, up to a bound;
// when the stream ends, every call ends.

import type { Stream } from '@libp2p/interface';
import { short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  CALL_DATA_LENGTH_MAX,
  CALLS_PER_STREAM_MAX,
  EXCHANGE_TIMEOUT_MS,
  HEADER_LENGTH_MAX,
  PIECE_LENGTH_MAX,
  SERVICE_NAME_LENGTH_MAX,
  TELL_LENGTH_MAX,
} from '../../base/limits.ts';
import type { CallOptions, Clock, Reply, Request } from '../../base/ports.ts';
import { decodeRefusal } from '../refusal.ts';
import { isServiceName } from '../service-guard.ts';
import type { Frame } from './frames.ts';
import { openPipe, type Pipe } from './pipe.ts';

export interface Caller {
  /** Throws the peer's refusal, UNREACHABLE, TIMEOUT, ABORTED, PROTOCOL, or BUSY above CALLS_PER_STREAM_MAX. */
  call(service: string, request: Request, options: CallOptions): Promise<Reply>;
  /** Sends a request that is not answered; resolves when there is room for the next. Throws UNREACHABLE, TIMEOUT, PROTOCOL. */
  tell(service: string, header: Uint8Array): Promise<void>;
  /** Ends the stream and, with `reason`, every call under way. */
  close(reason: StoreError): void;
  readonly isOpen: boolean;
}

interface Pending {
  readonly request: Request;
  readonly options: CallOptions;
  readonly done: PromiseWithResolvers<Reply>;
  /** Body bytes of the request may go. */
  isAdmitted: boolean;
  reply: { readonly header: Uint8Array; readonly body: Uint8Array; filled: number } | undefined;
}

export interface CallerDependencies {
  readonly clock: Clock;
  readonly onTraffic?: (received: number, sent: number) => void;
  readonly onEnd?: () => void;
}

/** Asks `peer` over `stream`, which is long-lived: one per peer serves all calls. */
export function createCaller(stream: Stream, peer: NodeId, needs: CallerDependencies): Caller {
  const pending = new Map<number, Pending>();
  const peerName = `node ${short(peer)}`;
  let nextId = 0;
  let strayBytes = 0;

  function onFrame(frame: Frame): void {
    const call = pending.get(frame.id);
    switch (frame.kind) {
      case 'admit':
        if (call === undefined) return;
        if (call.isAdmitted) throw new StoreError('PROTOCOL', `${peerName} admits a body twice`);
        call.isAdmitted = true;
        sendBody(frame.id, call).catch((error: unknown) => fail(frame.id, error as StoreError));
        return;
      case 'reply':
        if (call !== undefined) onReply(frame.id, call, frame.header, frame.bodyLength);
        return;
      case 'data':
        onData(frame.id, call, frame.bytes);
        return;
      case 'refuse':
        fail(frame.id, decodeRefusal(frame.refusal, peer));
        return;
      case 'ask':
      case 'cancel':
      case 'tell':
        throw new StoreError('PROTOCOL', `${peerName} sent a ${frame.kind} frame to a caller`);
    }
  }

  async function sendBody(id: number, call: Pending): Promise<void> {
    for (const part of call.request.body ?? []) {
      for (let offset = 0; offset < part.length; offset += CALL_DATA_LENGTH_MAX) {
        if (pending.get(id) !== call) return;
        const bytes = part.subarray(offset, offset + CALL_DATA_LENGTH_MAX);
        // Looked at again when the frame's turn has come: once the call is over, its caller fills the memory with other things.
        await pipe.write(() => (pending.get(id) === call ? { kind: 'data', id, bytes } : undefined));
        if (pending.get(id) !== call) return;
        call.options.onBytes?.(bytes.length);
      }
    }
  }

  function onReply(id: number, call: Pending, header: Uint8Array, bodyLength: number): void {
    if (call.reply !== undefined) throw new StoreError('PROTOCOL', `${peerName} replies twice`);
    const maxLength = call.options.maxBodyLength ?? 0;
    if (bodyLength > maxLength) {
      cancel(
        id,
        new StoreError(
          'PROTOCOL',
          `${peerName} replies with ${bodyLength} bytes, at most ${maxLength} were asked for`,
        ),
      );
      return;
    }
    try {
      const body = call.options.into?.(bodyLength) ?? new Uint8Array(bodyLength);
      if (body.length !== bodyLength)
        throw new StoreError('INVALID_ARGUMENT', '`into` gave a buffer of another length');
      call.reply = { header: header.slice(), body, filled: 0 };
    } catch (error) {
      cancel(id, error as StoreError);
      return;
    }
    finishWhenComplete(id, call);
  }

  function onData(id: number, call: Pending | undefined, bytes: Uint8Array): void {
    const reply = call?.reply;
    if (call === undefined || reply === undefined) {
      strayBytes += bytes.length;
      if (strayBytes > 2 * PIECE_LENGTH_MAX)
        throw new StoreError('PROTOCOL', `${peerName} sends unasked data`);
      return;
    }
    strayBytes = 0;
    if (reply.filled + bytes.length > reply.body.length) {
      throw new StoreError('PROTOCOL', `${peerName} sends more than it said`);
    }
    reply.body.set(bytes, reply.filled);
    reply.filled += bytes.length;
    call.options.onBytes?.(bytes.length);
    finishWhenComplete(id, call);
  }

  function finishWhenComplete(id: number, call: Pending): void {
    const { reply } = call;
    if (reply === undefined || reply.filled < reply.body.length) return;
    pending.delete(id);
    call.done.resolve({ header: reply.header, body: reply.body });
  }

  function fail(id: number, error: StoreError): void {
    pending.get(id)?.done.reject(error);
    pending.delete(id);
  }

  /** Ends the call on this side and tells the server to stop. */
  function cancel(id: number, error: StoreError): void {
    if (!pending.has(id)) return;
    fail(id, error);
    pipe.write({ kind: 'cancel', id }).catch(() => undefined);
  }

  async function call(service: string, request: Request, options: CallOptions): Promise<Reply> {
    if (pending.size >= CALLS_PER_STREAM_MAX)
      throw new StoreError('BUSY', `too many calls to ${peerName} at once`);
    const bodyLength = checkedBodyLength(request, service);
    const id = takeId();
    const entry: Pending = {
      request,
      options,
      done: Promise.withResolvers(),
      isAdmitted: false,
      reply: undefined,
    };
    pending.set(id, entry);
    const timeoutMs = options.timeoutMs ?? EXCHANGE_TIMEOUT_MS;
    const cancelTimer = needs.clock.timer(timeoutMs, () => {
      cancel(id, new StoreError('TIMEOUT', `${service}: ${peerName} did not answer within ${timeoutMs} ms`));
    });
    const onAbort = (): void => cancel(id, new StoreError('ABORTED', `${service} at ${peerName}: aborted`));
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      pipe
        .write({ kind: 'ask', id, bodyLength, name: service, header: request.header })
        .catch((error: unknown) => fail(id, error as StoreError));
      return await entry.done.promise;
    } finally {
      cancelTimer();
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  async function tell(service: string, header: Uint8Array): Promise<void> {
    if (!isServiceName(service) || header.length > TELL_LENGTH_MAX) throw beyondBounds(service);
    await pipe.write({ kind: 'tell', id: 0, name: service, header });
  }

  function takeId(): number {
    do nextId = (nextId + 1) % 2 ** 32;
    while (pending.has(nextId));
    return nextId;
  }

  const pipe: Pipe = openPipe(stream, needs.clock, peerName, {
    onFrame,
    onEnd: (reason) => {
      for (const id of pending.keys()) fail(id, reason);
      needs.onEnd?.();
    },
    ...(needs.onTraffic === undefined ? {} : { onTraffic: needs.onTraffic }),
  });
  return {
    call,
    tell,
    close: (reason) => pipe.abort(reason),
    get isOpen() {
      return pipe.isOpen;
    },
  };
}

/** What no server would take is not sent: an overlong frame would cost the other calls their stream. */
function checkedBodyLength(request: Request, service: string): number {
  const bodyLength = (request.body ?? []).reduce((sum, part) => sum + part.length, 0);
  const isSendable =
    isServiceName(service) && request.header.length <= HEADER_LENGTH_MAX && bodyLength <= PIECE_LENGTH_MAX;
  if (isSendable) return bodyLength;
  throw beyondBounds(service);
}

function beyondBounds(service: string): StoreError {
  const name = service.slice(0, SERVICE_NAME_LENGTH_MAX);
  return new StoreError('INVALID_ARGUMENT', `${name}: request beyond every bound`);
}
