// The counting of a put: how far it is, how many pieces are confirmed, and when nothing of it is running any more.

import type { Meter } from './progress.ts';
import { deferred } from './tasks.ts';

export interface PutTotals {
  readonly lengthBytes: number;
  readonly segments: number;
  readonly resumed: number;
  /** Pieces made; of them confirmed so far. Copies of the manifest where the object is inline. */
  readonly pieces: number;
  readonly confirmed: number;
  /** A segment of `plaintext` bytes starts, as `pieces` bytes of pieces. */
  start(index: number, plaintext: number, pieces: number): void;
  sent(index: number, bytes: number): void;
  acknowledged(index: number): void;
  skipped(plaintext: number, confirmed: number, pieces: number): void;
  inline(plaintext: number): void;
  count(confirmed: number, pieces: number): void;
  /** Follows background work until it has settled; it must not reject. */
  follow(work: Promise<unknown>): void;
  /** When everything followed has settled. */
  settled(): Promise<void>;
}

export function createPutTotals(meter: Meter): PutTotals {
  let [lengthBytes, segments, resumed, pieces, confirmed, doneBytes] = [0, 0, 0, 0, 0, 0];
  const onTheWay = new Map<number, { sent: number; readonly pieces: number; readonly plaintext: number }>();
  let running = 0;
  let idle = deferred<void>();
  idle.resolve();

  /** Bytes sent stand for plaintext in proportion; repeated sends never count for more than the segment. */
  const estimate = (): number => {
    let bytes = doneBytes;
    for (const segment of onTheWay.values()) {
      bytes += segment.plaintext * Math.min(1, segment.sent / segment.pieces);
    }
    return Math.floor(bytes);
  };
  return {
    get lengthBytes() {
      return lengthBytes;
    },
    get segments() {
      return segments;
    },
    get resumed() {
      return resumed;
    },
    get pieces() {
      return pieces;
    },
    get confirmed() {
      return confirmed;
    },
    start: (index, plaintext, pieceBytes) => {
      lengthBytes += plaintext;
      segments++;
      onTheWay.set(index, { sent: 0, pieces: pieceBytes, plaintext });
      meter.report('encode', estimate());
    },
    sent: (index, bytes) => {
      const segment = onTheWay.get(index);
      if (segment === undefined) return;
      segment.sent += bytes;
      meter.report('send', estimate());
    },
    acknowledged: (index) => {
      doneBytes += onTheWay.get(index)?.plaintext ?? 0;
      onTheWay.delete(index);
      meter.report('send', estimate());
    },
    skipped: (plaintext, confirmedPieces, allPieces) => {
      lengthBytes += plaintext;
      doneBytes += plaintext;
      segments++;
      resumed++;
      confirmed += confirmedPieces;
      pieces += allPieces;
      meter.report('send', estimate());
    },
    inline: (plaintext) => {
      lengthBytes = plaintext;
      doneBytes = plaintext;
    },
    count: (confirmedPieces, allPieces) => {
      confirmed += confirmedPieces;
      pieces += allPieces;
    },
    follow: (work) => {
      if (running++ === 0) idle = deferred<void>();
      const end = (): void => {
        if (--running === 0) idle.resolve();
      };
      work.then(end, end);
    },
    settled: async () => {
      while (running > 0) await idle.promise;
    },
  };
}
