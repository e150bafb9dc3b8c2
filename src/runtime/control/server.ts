// The serving end of a call stream: every ask passes the service guard before anything is kept of it, a body is
// asked for (`admit`) only when there is memory for it, and every ask is answered by a reply or a refusal. What is told passes
// the same guard and is answered by nothing.
//
// Invariants: at most CALLS_PER_STREAM_MAX exchanges per stream; body memory is reserved before it is allocated; a
// body slower than BODY_RATE_MIN_PER_SECOND after its first ten seconds ends in a refusal.

import type { Stream } from '@libp2p/interface';
import { short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  BODY_RATE_MIN_PER_SECOND,
  BULK_GRACE_MS,
  CALL_DATA_LENGTH_MAX,
  CALLS_PER_STREAM_MAX,
  HEADER_LENGTH_MAX,
  PIECE_LENGTH_MAX,
} from '../../base/limits.ts';
import type { Clock, ServedReply } from '../../base/ports.ts';
import type { Pace } from '../bulk/give-way.ts';
import { encodeRefusal } from '../refusal.ts';
import type { BodyUse, ServiceGuard, Ticket } from '../service-guard.ts';
import { unlessAborted } from './failure.ts';
import type { Frame } from './frames.ts';
import { openPipe, type Pipe } from './pipe.ts';

type Move = (count: number) => void;

/** An ask under way. */
interface Exchange {
  readonly stop: AbortController;
  /** Where data frames go while a body is expected. */
  body:
    | {
        readonly bytes: Uint8Array;
        filled: number;
        readonly done: PromiseWithResolvers<void>;
        readonly move: Move;
      }
    | undefined;
}

/** A body under way, which gives way when others lack memory: that costs its peer the stream. */
export interface BodyPace extends Pace {
  cut(): void;
}

type Ask = Extract<Frame, { kind: 'ask' }>;

export interface ServerDependencies {
  readonly guard: ServiceGuard;
  readonly clock: Clock;
  /** Where bodies under way are found. */
  readonly paces: Set<BodyPace>;
  readonly onTraffic?: (received: number, sent: number) => void;
  readonly onEnd?: () => void;
}

/** Serves the calls that `from` makes over `stream`, until it ends. */
export function serveStream(stream: Stream, from: NodeId, needs: ServerDependencies): Pipe {
  const exchanges = new Map<number, Exchange>();
  /** Ends what is still at work for this stream when it ends. */
  const over = new AbortController();
  let toldCount = 0;
  let strayBytes = 0;

  function onFrame(frame: Frame): void {
    switch (frame.kind) {
      case 'ask':
        onAsk(frame);
        return;
      case 'data':
        onData(exchanges.get(frame.id), frame.bytes);
        return;
      case 'cancel':
        exchanges.get(frame.id)?.stop.abort();
        return;
      case 'tell':
        onTell(frame.name, frame.header);
        return;
      case 'admit':
      case 'reply':
      case 'refuse':
        throw new StoreError('PROTOCOL', `node ${short(from)} sent a ${frame.kind} frame to a server`);
    }
  }

  function onAsk(frame: Ask): void {
    if (exchanges.has(frame.id))
      throw new StoreError('PROTOCOL', `node ${short(from)} asks twice under one id`);
    if (exchanges.size >= CALLS_PER_STREAM_MAX) {
      refuse(frame.id, new StoreError('BUSY', 'too many requests on one stream'));
      return;
    }
    const exchange: Exchange = { stop: new AbortController(), body: undefined };
    exchanges.set(frame.id, exchange);
    const ask: Ask = { ...frame, header: frame.header.slice() };
    serveOne(ask, exchange)
      .catch((error: unknown) => {
        if (!exchange.stop.signal.aborted) refuse(ask.id, error);
      })
      .finally(() => exchanges.delete(ask.id));
  }

  /** What the guard or the service refuses is dropped: who tells does not ask whether it was heard. */
  function onTell(name: string, header: Uint8Array): void {
    if (toldCount >= CALLS_PER_STREAM_MAX) return;
    toldCount += 1;
    serveTold(name, header.slice())
      .catch(() => undefined)
      .finally(() => {
        toldCount -= 1;
      });
  }

  async function serveTold(name: string, header: Uint8Array): Promise<void> {
    const ticket = needs.guard.enter(from, name, header.length, 0);
    try {
      await ticket.admit(header, 0, over.signal);
      await ticket.handle(header, new Uint8Array(0), over.signal);
    } finally {
      ticket.release();
    }
  }

  /** Bytes that cross a refusal or a cancel on their way are dropped; more than a body of them is an attack. */
  function onData(
    { body }: Exchange = { stop: new AbortController(), body: undefined },
    bytes: Uint8Array,
  ): void {
    if (body === undefined) {
      strayBytes += bytes.length;
      if (strayBytes > PIECE_LENGTH_MAX)
        throw new StoreError('PROTOCOL', `node ${short(from)} sends unasked data`);
      return;
    }
    strayBytes = 0;
    if (body.filled + bytes.length > body.bytes.length) {
      throw new StoreError('PROTOCOL', `node ${short(from)} sends more than it said`);
    }
    body.bytes.set(bytes, body.filled);
    body.filled += bytes.length;
    body.move(bytes.length);
    if (body.filled === body.bytes.length) body.done.resolve();
  }

  async function serveOne(ask: Ask, exchange: Exchange): Promise<void> {
    const { signal } = exchange.stop;
    const ticket = needs.guard.enter(from, ask.name, ask.header.length, ask.bodyLength);
    try {
      await ticket.admit(ask.header, ask.bodyLength, signal);
      const body = await receiveBody(ask, ticket, exchange);
      const served = await ticket.handle(ask.header, body, signal);
      await sendReply(ask, ticket, served, signal);
    } finally {
      ticket.release();
    }
  }

  async function receiveBody(ask: Ask, ticket: Ticket, exchange: Exchange): Promise<Uint8Array> {
    if (ask.bodyLength === 0) return new Uint8Array(0);
    await ticket.reserve(ask.bodyLength, 'upload');
    const { move, end } = watchPace('upload', ask.bodyLength);
    const bytes = new Uint8Array(ask.bodyLength);
    const body = { bytes, filled: 0, done: Promise.withResolvers<void>(), move };
    exchange.body = body;
    const cancelWatch = watchRate(body, needs.clock);
    try {
      await pipe.write({ kind: 'admit', id: ask.id });
      await unlessAborted(body.done.promise, exchange.stop.signal, ask.name);
    } finally {
      cancelWatch();
      end();
      exchange.body = undefined;
    }
    return body.bytes;
  }

  async function sendReply(
    ask: Ask,
    ticket: Ticket,
    served: ServedReply,
    signal: AbortSignal,
  ): Promise<void> {
    const parts = served.body ?? [];
    const bodyLength = parts.reduce((sum, part) => sum + part.length, 0);
    if (served.header.length > HEADER_LENGTH_MAX || bodyLength > PIECE_LENGTH_MAX) {
      throw new StoreError('INTERNAL', `${ask.name}: reply is longer than a reply may be`);
    }
    await ticket.reserve(bodyLength, 'reply');
    const { move, end } = watchPace('reply', bodyLength);
    try {
      await pipe.write({ kind: 'reply', id: ask.id, bodyLength, header: served.header });
      for (const part of parts) {
        for (let offset = 0; offset < part.length && !signal.aborted; offset += CALL_DATA_LENGTH_MAX) {
          const bytes = part.subarray(offset, offset + CALL_DATA_LENGTH_MAX);
          await pipe.write({ kind: 'data', id: ask.id, bytes });
          move(bytes.length);
        }
      }
    } finally {
      end();
    }
  }

  /** Watches a body of `length` bytes until `end`; its speed is that since the mark before the last. */
  function watchPace(use: BodyUse, length: number): { readonly move: Move; readonly end: () => void } {
    let moved = 0;
    let marks = [{ atMs: needs.clock.monotonic(), moved }];
    const pace: BodyPace = {
      get isMember() {
        return needs.guard.isMember(from);
      },
      get sinceMs() {
        return marks[0]!.atMs;
      },
      get moved() {
        return moved - marks[0]!.moved;
      },
      get wait() {
        return { use, leftBytes: length - moved };
      },
      cut: () => pipe.abort(new StoreError('BUSY', 'made room for another exchange')),
    };
    needs.paces.add(pace);
    const move = (count: number): void => {
      moved += count;
      const [atMs, last] = [needs.clock.monotonic(), marks.at(-1)!];
      if (atMs - last.atMs >= BULK_GRACE_MS) marks = [last, { atMs, moved }];
    };
    return { move, end: () => needs.paces.delete(pace) };
  }

  function refuse(id: number, error: unknown): void {
    pipe.write({ kind: 'refuse', id, refusal: encodeRefusal(error) }).catch(() => undefined);
  }

  const pipe = openPipe(stream, needs.clock, `node ${short(from)}`, {
    onFrame,
    onEnd: () => {
      for (const exchange of exchanges.values()) exchange.stop.abort();
      over.abort();
      needs.onEnd?.();
    },
    ...(needs.onTraffic === undefined ? {} : { onTraffic: needs.onTraffic }),
  });
  return pipe;
}

/** Fails the body when it falls behind the least rate; the first check comes after ten seconds. */
function watchRate(body: NonNullable<Exchange['body']>, clock: Clock): () => void {
  const periodMs = 10_000;
  let filledBefore = 0;
  let cancel = clock.timer(periodMs, check);
  function check(): void {
    if (body.filled - filledBefore < (BODY_RATE_MIN_PER_SECOND * periodMs) / 1000) {
      body.done.reject(new StoreError('TIMEOUT', 'the body comes too slowly'));
      return;
    }
    filledBefore = body.filled;
    cancel = clock.timer(periodMs, check);
  }
  return () => cancel();
}
