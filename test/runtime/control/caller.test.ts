// The caller over a stream that the test plays by hand, so that a peer stops reading exactly when it should.

import type { Stream } from '@libp2p/interface';
import { expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createCaller } from '../../../src/runtime/control/caller.ts';
import { createFrameReader, encodeFrame, type Frame } from '../../../src/runtime/control/frames.ts';
import { codeOf, patterned } from '../../suites/network.ts';
import { until } from './fixture.ts';

const peer = new Uint8Array(32).fill(5) as NodeId;

test('the memory of a call that is over does not leave, although its frame was already waiting', async () => {
  const stream = new HandStream();
  const caller = createCaller(stream as unknown as Stream, peer, { clock: systemClock });
  const bodies = [patterned(100_000), patterned(100_000).fill(7)];
  const stop = new AbortController();
  const ask = (body: Uint8Array) =>
    caller.call('put-piece', { header: toUtf8('h'), body: [body] }, { signal: stop.signal });
  const [first, second] = bodies.map((body) => codeOf(ask(body)));
  await until(() => stream.frames().length === 2, 'both asked');
  stream.hasRoom = false;
  for (const { id } of stream.frames()) stream.receive({ kind: 'admit', id });
  await until(() => stream.frames().length === 3, 'the first data frame left, the others wait');
  stop.abort();
  expect([await first, await second]).toEqual(['ABORTED', 'ABORTED']);

  const lengthBefore = stream.frames().length;
  for (const body of bodies) body.fill(0xee);
  stream.hasRoom = true;
  stream.dispatchEvent(new Event('drain'));
  await until(() => stream.frames().filter(({ kind }) => kind === 'cancel').length === 2, 'both cancelled');
  const later = stream.frames().slice(lengthBefore);
  expect(later.map(({ kind }) => kind)).toEqual(['cancel', 'cancel']);
});

/** As much of a libp2p stream as calls use. */
class HandStream extends EventTarget {
  readonly status = 'open';
  hasRoom = true;
  readonly #sent: Uint8Array[] = [];

  send(bytes: Uint8Array): boolean {
    this.#sent.push(bytes.slice());
    return this.hasRoom;
  }

  abort(): void {}

  receive(frame: Frame): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: encodeFrame(frame) }));
  }

  frames(): Frame[] {
    const frames: Frame[] = [];
    const reader = createFrameReader();
    for (const bytes of this.#sent) reader.push(bytes, (frame) => frames.push(structuredClone(frame)));
    return frames;
  }
}
