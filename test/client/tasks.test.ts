import { expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import { forEachAtMost, linkedAbort } from '../../src/client/tasks.ts';

test('work runs on every item, at most so many at a time', async () => {
  let running = 0;
  let most = 0;
  const seen: number[] = [];
  await forEachAtMost(
    Array.from({ length: 20 }, (_, index) => index),
    3,
    async (item, index) => {
      expect(index).toBe(item);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(item);
      running--;
    },
  );
  expect(most).toBe(3);
  expect(seen.length).toBe(20);
  await forEachAtMost([], 3, () => Promise.reject(new Error('never called')));
});

test('the first failure stops the start of more, waits for what runs, and is thrown', async () => {
  let finished = 0;
  const work = forEachAtMost([0, 1, 2, 3, 4, 5], 2, async (item) => {
    await new Promise((resolve) => setTimeout(resolve, item === 0 ? 1 : 10));
    if (item === 0) throw new RangeError('off');
    finished++;
  });
  await expect(work).rejects.toThrow('off');
  expect(finished).toBe(1);
});

test('a linked signal fires with any parent, with a StoreError as its reason', () => {
  const [a, b] = [new AbortController(), new AbortController()];
  const linked = linkedAbort(a.signal, undefined, b.signal);
  b.abort('because');
  expect(linked.signal.reason).toMatchObject({ code: 'ABORTED', cause: 'because' });
  const closed = new StoreError('CLOSED', 'closed');
  expect(linkedAbort(AbortSignal.abort(closed)).signal.reason).toBe(closed);
});

test('a linked signal does not fire its parent, and hears nothing after its release', () => {
  const parent = new AbortController();
  const linked = linkedAbort(parent.signal);
  linked.abort(new StoreError('TIMEOUT', 'late'));
  expect(parent.signal.aborted).toBe(false);
  const released = linkedAbort(parent.signal);
  released.release();
  parent.abort();
  expect(released.signal.aborted).toBe(false);
});
