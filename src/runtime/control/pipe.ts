// Frames over one libp2p stream. What comes in is handed on at once, so a reader never needs to pause; what goes
// out waits its turn, so that calls share a stream fairly and no more than one frame sits in libp2p's buffers.
//
// Invariants: at most FRAMES_QUEUED_MAX frames wait; a frame begun by the peer ends within HEADER_TIMEOUT_MS; a peer
// that takes nothing for WRITE_STALL_MS is cut off; `onEnd` is called exactly once, and no frame is handed on after it.

import type { Stream } from '@libp2p/interface';
import { StoreError } from '../../base/errors.ts';
import { FRAMES_QUEUED_MAX, HEADER_TIMEOUT_MS, WRITE_STALL_MS } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { connectionLost, controlFailure } from './failure.ts';
import { createFrameReader, encodeFrame, type Frame } from './frames.ts';

export interface Pipe {
  /**
   * Resolves when there is room for the next frame. A function is asked for its frame only when its turn has come, and
   * nothing goes when it has none: memory that the frame shows may be somebody else's by then. Throws UNREACHABLE,
   * TIMEOUT, or the reason of `abort`.
   */
  write(frame: Frame | (() => Frame | undefined)): Promise<void>;
  /** Cuts the stream; `reason` is what waiting writers and `onEnd` get. */
  abort(reason: StoreError): void;
  readonly isOpen: boolean;
}

export interface PipeHandlers {
  /** Byte strings of the frame are views that are valid during the call only. A throw cuts the stream. */
  onFrame(frame: Frame): void;
  onEnd(reason: StoreError): void;
  /** Bytes that went over the stream. */
  onTraffic?(received: number, sent: number): void;
}

/** Takes over `stream`; `peerName` is for messages. */
export function openPipe(stream: Stream, clock: Clock, peerName: string, handlers: PipeHandlers): Pipe {
  const reader = createFrameReader();
  let ended: StoreError | undefined;
  let cancelDeadline: (() => void) | undefined;
  let turn: Promise<void> = Promise.resolve();
  let queued = 0;
  const wakeUps = new Set<() => void>();

  function end(reason: StoreError): void {
    if (ended !== undefined) return;
    ended = reason;
    cancelDeadline?.();
    stream.removeEventListener('message', onMessage);
    stream.abort(reason);
    for (const wake of wakeUps) wake();
    handlers.onEnd(reason);
  }

  function onMessage(event: { data: Uint8Array | { subarray(): Uint8Array } }): void {
    const bytes = event.data instanceof Uint8Array ? event.data : event.data.subarray();
    handlers.onTraffic?.(bytes.length, 0);
    try {
      reader.push(bytes, (frame) => {
        if (ended === undefined) handlers.onFrame(frame);
      });
      watchPartialFrame();
    } catch (error) {
      end(controlFailure(error, 'INTERNAL', peerName));
    }
  }

  /** Every completed frame moves the deadline: a slow frame is cut off, a slow stream of frames is not. */
  function watchPartialFrame(): void {
    cancelDeadline?.();
    cancelDeadline = undefined;
    if (ended !== undefined || !reader.isPartial) return;
    cancelDeadline = clock.timer(HEADER_TIMEOUT_MS, () => {
      end(new StoreError('TIMEOUT', `${peerName} did not finish a frame`));
    });
  }

  async function send(next: Frame | (() => Frame | undefined)): Promise<void> {
    if (ended !== undefined) throw ended;
    const frame = typeof next === 'function' ? next() : next;
    if (frame === undefined) return;
    const bytes = encodeFrame(frame);
    let hasRoom: boolean;
    try {
      hasRoom = stream.send(bytes);
    } catch (error) {
      end(connectionLost(error, peerName));
      throw ended;
    }
    handlers.onTraffic?.(0, bytes.length);
    if (!hasRoom) await drained();
  }

  /** libp2p's own onDrain resolves at once from its second use on, so this listens for the event. */
  function drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = clock.timer(WRITE_STALL_MS, () => {
        end(new StoreError('TIMEOUT', `${peerName} takes no data`));
      });
      const wake = (): void => {
        cancel();
        wakeUps.delete(wake);
        stream.removeEventListener('drain', wake);
        if (ended === undefined) resolve();
        else reject(ended);
      };
      wakeUps.add(wake);
      stream.addEventListener('drain', wake);
    });
  }

  stream.addEventListener('message', onMessage);
  stream.addEventListener('remoteCloseWrite', () =>
    end(new StoreError('UNREACHABLE', `${peerName} closed the stream`)),
  );
  stream.addEventListener('close', (event) => end(connectionLost(event, peerName)));
  // Later, so that `onEnd` may speak of the pipe.
  if (stream.status !== 'open') {
    queueMicrotask(() => end(new StoreError('UNREACHABLE', `${peerName} closed the stream`)));
  }

  return {
    async write(frame) {
      if (ended !== undefined) throw ended;
      if (queued >= FRAMES_QUEUED_MAX) end(new StoreError('PROTOCOL', `${peerName} asks but does not read`));
      queued += 1;
      const mine = turn.then(() => send(frame));
      turn = mine.catch(() => undefined);
      try {
        await mine;
      } finally {
        queued -= 1;
      }
    },
    abort: end,
    get isOpen() {
      return ended === undefined;
    },
  };
}
