import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createByteBudget } from '../../src/node/byte-budget.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const never = new AbortController().signal;

test('whatever is asked in whatever sizes, the bound holds, all get their turn, and nothing is left', async () => {
  const sizes = fc.array(fc.nat(150), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(sizes, async (wanted) => {
      const budget = createByteBudget(100);
      let held = 0;
      let running = 0;
      const done = await Promise.all(
        wanted.map((bytes) =>
          budget.use(bytes, never, async () => {
            held += bytes;
            running += 1;
            expect(held <= 100 || running === 1 || held === bytes).toBe(true);
            await new Promise((resolve) => setImmediate(resolve));
            held -= bytes;
            running -= 1;
            return bytes;
          }),
        ),
      );
      expect(done).toEqual(wanted);
      expect(budget.heldBytes).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test('work that fails gives its bytes back', async () => {
  const budget = createByteBudget(10);
  const failing = budget.use(10, never, () => Promise.reject(new Error('x')));
  const next = budget.use(10, never, async () => 'ran');
  await expect(failing).rejects.toThrow('x');
  expect(await next).toBe('ran');
});

test('whoever gives up while waiting lets those behind go', async () => {
  const budget = createByteBudget(10);
  const hold = Promise.withResolvers<void>();
  const first = budget.use(5, never, () => hold.promise);
  const caller = new AbortController();
  const large = budget.use(10, caller.signal, async () => 'large');
  const small = budget.use(5, never, async () => 'small');
  caller.abort();
  await expectCodeAsync('ABORTED', large);
  expect(await small).toBe('small');
  await expectCodeAsync(
    'ABORTED',
    budget.use(1, caller.signal, async () => 'late'),
  );
  hold.resolve();
  await first;
  expect(budget.heldBytes).toBe(0);
});
